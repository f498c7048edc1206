"""`ringback mcp`: lets an assistant look at a broker."""

import click

from ringback.cli.remote import find_broker


@click.command()
@click.option("--broker", metavar="URL", help="The broker's address; else QSTASH_URL.")
@click.option("--token", help="Its token, best a read-only one; else QSTASH_TOKEN.")
def mcp(broker: str | None, token: str | None) -> None:
    """Serve the Model Context Protocol on standard input and output: read-only tools for runs, events, dead letters.

    An assistant starts this command itself; docs/guides/mcp.md shows the lines for its configuration.
    """
    from ringback.mcp import server

    server(find_broker(broker, token)).run("stdio")
