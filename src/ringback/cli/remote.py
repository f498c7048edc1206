"""The way from a command to a broker: which one, how its refusals read, and the options all such commands share."""

import os
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import click

from ringback.cli.output import Output, Shape
from ringback.client import Broker, BrokerMisunderstood, BrokerUnreachable, Page, SettingMissing, Transport
from ringback.client.calls import Call
from ringback.errors import Refused

P = ParamSpec("P")
T = TypeVar("T")

UNREACHABLE = 3
"""Exit status when the broker gives no answer."""


class NoAnswer(click.ClickException):
    """The broker gives no answer."""

    exit_code = UNREACHABLE


class Remote:
    """A broker as commands see it.

    Attributes:
        out: prints answers.
        broker: where it is.
    """

    def __init__(self, broker: Broker, out: Output) -> None:
        self.broker = broker
        self.out = out
        self._transport = Transport(broker)

    def send(self, call: Call[T]) -> T:
        """Return the answer to a call.

        Raises:
            click.ClickException: the broker says no, or gives no answer; the text says what to do.
        """
        try:
            return self._transport.send(call)
        except Refused as error:
            raise click.ClickException(_why(error)) from error
        except BrokerMisunderstood as error:
            raise click.ClickException(f"{self.broker.url} does not answer like a broker: {error}") from error
        except BrokerUnreachable as error:
            raise NoAnswer(
                f"{error}\nStart one with `ringback dev`, or name yours with QSTASH_URL or --broker."
            ) from error

    def find(self, call: Call[T]) -> T | None:
        """Return the answer to a call, None where there is no such thing.

        Raises:
            click.ClickException: as `send` does.
        """
        try:
            return self.send(call)
        except click.ClickException as error:
            if isinstance(error.__cause__, Refused) and error.__cause__.status == 404:
                return None
            raise

    def close(self) -> None:
        """Give the connections back."""
        self._transport.close()


def remote(command: Callable[Concatenate[Remote, P], None]) -> Callable[P, None]:
    """Give a command its broker as first argument, and the options --broker, --token and --json."""

    @click.option("--broker", "broker_url", metavar="URL", help="The broker's address; else QSTASH_URL.")
    @click.option("--token", help="Its token; else QSTASH_TOKEN.")
    @click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
    @wraps(command)
    def with_broker(*args: Any, broker_url: str | None, token: str | None, as_json: bool, **kwargs: Any) -> None:
        told = Remote(find_broker(broker_url, token), Output(as_json=as_json))
        try:
            command(told, *args, **kwargs)
        except ValueError as error:
            raise click.UsageError(str(error)) from error
        finally:
            told.close()

    return with_broker  # type: ignore[return-value]


def find_broker(url: str | None, token: str | None) -> Broker:
    """Return the broker that the options name, else the environment, else the local one for development."""
    environment = dict(os.environ)
    if token:
        environment |= {"QSTASH_TOKEN": token, "QSTASH_DEV": ""}
    try:
        known = Broker.from_env(environment)
    except SettingMissing as error:
        if environment.get("QSTASH_REGION"):
            raise click.UsageError(str(error)) from error
        known = Broker.from_env(environment | {"QSTASH_DEV": "true"})
        url = url or environment.get("QSTASH_URL")  # named without a token: it is asked, never another one
    return Broker((url or known.url).rstrip("/"), token or known.token, known.signing_keys)


def _why(error: Refused) -> str:
    if error.status == 401:
        return f"the broker does not know this token; set QSTASH_TOKEN or --token ({error})"
    if error.status == 403:
        return f"this token may not do that ({error}); see `ringback tokens list`"
    return str(error)


def first(count: int, ask: Callable[[str | None, int], Page]) -> list[Shape]:
    """Return the first records of a list, however many there are on a page.

    Args:
        count: how many at most.
        ask: returns the page after a cursor, with at most so many.
    """
    found: list[Shape] = []
    cursor = None
    while len(found) < count:
        page = ask(cursor, min(100, count - len(found)))
        found += page.items
        cursor = page.cursor
        if cursor is None:
            break
    return found
