"""The command line: `ringback`."""

import sys


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
    ringback()
