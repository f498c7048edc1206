"""`ringback completion`: what a shell needs to complete commands."""

import click
from click.shell_completion import get_completion_class

from ringback.errors import RingbackError

_SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    \b
    bash:  eval "$(ringback completion bash)"
    zsh:   eval "$(ringback completion zsh)"
    fish:  ringback completion fish | source
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise RingbackError(f"click knows no completion for {shell}")
    click.echo(kind(context.find_root().command, {}, "ringback", "_RINGBACK_COMPLETE").source())
