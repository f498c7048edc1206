"""How groups list their commands: the whole first sentence of each, and under headings where there are many."""

from collections.abc import Mapping, Sequence

import click

_WHOLE = 300


class Listing(click.Group):
    """A group whose help cuts no sentence off.

    Attributes:
        sections: headings, each with the commands below it; nothing for one list of all.
    """

    sections: Mapping[str, Sequence[str]] = {}

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands."""
        for heading, names in (self.sections or {"Commands": self.list_commands(context)}).items():
            found = [(name, self.get_command(context, name)) for name in names]
            with formatter.section(heading):
                formatter.write_dl([(name, one.get_short_help_str(_WHOLE)) for name, one in found if one is not None])
