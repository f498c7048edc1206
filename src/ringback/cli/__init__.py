"""The command line: `ringback`."""

import os
import sys
from pathlib import Path


def main() -> None:
    """Run the `ringback` command; says what to install where the server extra is missing."""
    try:
        from ringback.cli.commands import ringback
    except ModuleNotFoundError as error:
        print(
            f"ringback: {error.name} is missing; install the server with: pip install 'ringback[server]'",
            file=sys.stderr,
        )
        sys.exit(1)
    if sys.stdout is None:  # whoever called has closed it, and wants to hear nothing
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 - it stays open to the end
    ringback()
