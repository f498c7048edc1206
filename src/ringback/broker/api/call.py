"""One API call as its handler sees it: who calls, with which path names and query, and what the broker offers."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar
from urllib.parse import parse_qsl

import msgspec

from ringback.broker.operations.desk import Desk
from ringback.broker.operations.statistics import Levels
from ringback.broker.records import BulkAction, Removal
from ringback.broker.rules.preflight import Verdict
from ringback.broker.settings import Role, Settings, Tenant
from ringback.errors import Refused
from ringback.wire.destination import split
from ringback.wire.headers import read_options
from ringback.wire.http import Request, Response
from ringback.wire.options import Options
from ringback.wire.unreadable import UNREADABLE

T = TypeVar("T")
Answer = Response | Awaitable[Response]
_JSON = [("Content-Type", "application/json")]


class Preflights(Protocol):
    """Knows what is in the way to which endpoint."""

    def known(self, tenant: str, url: str) -> Verdict | None:
        """Return what is known of an endpoint."""

    async def look(self, tenant: str, url: str, *, is_workflow: bool) -> Verdict:
        """Ask an endpoint, without consequences there."""


class Cancels(Protocol):
    """Carries bulk cancels and removals on."""

    async def finish(self, pos: int, seconds: float) -> BulkAction | Removal | None:
        """Return one when it is finished, None if that takes longer."""

    def go(self) -> None:
        """Carry on what nobody waits for."""


@dataclass(slots=True)
class Call:
    """One authenticated request.

    Attributes:
        request: as it came in.
        tenant: whose token it carries.
        names: the variable parts of the path, percent-decoded once; a raw tail stays as written.
        desk: where decisions are made.
        settings: the broker's configuration.
        levels: how much there is of everything.
        preflights: what is known of the ways to endpoints.
        cancels: carries bulk cancels and removals on.
        role: what its token may do.
    """

    request: Request
    tenant: Tenant
    names: dict[str, str]
    desk: Desk
    settings: Settings
    levels: Levels
    preflights: Preflights
    cancels: Cancels
    role: Role = "full"

    def query(self) -> list[tuple[str, str]]:
        """Return the decoded query parameters in order."""
        _, _, query = self.request.target.partition("?")
        return parse_qsl(query, keep_blank_values=True)

    def asked(self) -> tuple[str, Options]:
        """Return the destination that the path names, and the options that headers and query give.

        Raises:
            Refused: 400, naming the header.
        """
        return self.request.once("asked", self._asked)

    def _asked(self) -> tuple[str, Options]:
        target, query = split(self.names["destination"])
        return target, read_options(self.request.headers, query)

    def json(self, kind: type[T]) -> T:
        """Return the body as a value of a type.

        Raises:
            Refused: 400, saying which field is wrong.
        """
        try:
            return msgspec.json.decode(self.request.body or b"{}", type=kind)
        except UNREADABLE as error:
            raise Refused(400, f"invalid request body: {error}") from error


Respond = Callable[[Call], Answer]


def json_response(status: int, value: Any) -> Response:
    """Return a response whose body is a value as JSON."""
    return Response(status, _JSON, msgspec.json.encode(value))
