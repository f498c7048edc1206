"""The door of the broker: authenticates a request, finds who answers it, and turns refusals into answers."""

import hashlib
import ipaddress
import logging
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl

from ringback.broker.api.audit import audited
from ringback.broker.api.burst import BurstLimit
from ringback.broker.api.call import Answer, Call, Cancels, Preflights, json_response
from ringback.broker.api.routes import Route, Router
from ringback.broker.operations.desk import Desk
from ringback.broker.operations.statistics import Levels
from ringback.broker.settings import Role, Settings, Tenant
from ringback.broker.stores.contract import StoreUnavailable
from ringback.errors import Refused
from ringback.wire.browsers import is_known_here, is_of_another_site
from ringback.wire.guard import Address, Network
from ringback.wire.http import Request, Response, Stream

_log = logging.getLogger("ringback.api")

_FULL: Role = "full"
Page = Callable[[Request], Awaitable[Response | Stream]]
"""Answers what comes in below an address of its own, beside the API."""


class Api:
    """Answers requests.

    Args:
        settings: the accounts and limits.
        desk: where decisions are made.
        preflights: what is known of the ways to endpoints.
        cancels: carries bulk cancels on.
    """

    def __init__(self, settings: Settings, desk: Desk, preflights: Preflights, cancels: Cancels) -> None:
        self._settings = settings
        self._tokens_are_public = settings.tokens_are_public
        self._desk = desk
        self._preflights = preflights
        self._cancels = cancels
        self._router = Router()
        self._beside: dict[str, Page] = {}
        self._burst = BurstLimit(settings.limits.requests_per_second)
        self.levels = Levels(desk)
        self._tenants: dict[bytes, tuple[Tenant, Role]] = {
            _fingerprint(token): (tenant, role)
            for tenant in settings.tenants
            for token, role in tenant.tokens().items()
        }

    def serve_beside(self, name: str, page: Page) -> None:
        """Let `page` answer everything at `/name` and below it."""
        self._beside[name] = page

    def respond(self, request: Request) -> Answer | Awaitable[Response | Stream]:
        """Answer one request; an awaitable is answered when what it wrote is durable, `explain` tells of its errors."""
        try:
            if self._tokens_are_public:
                request.once("not from a page", lambda: _check_site(request, self._settings.names))
            if not request.target.startswith("/v2/"):
                page = self._page(request)
                if page is not None:
                    return page
            return self._call(request)
        except Refused as error:
            return refusal(error)

    def _page(self, request: Request) -> Answer | Awaitable[Response | Stream] | None:
        """Answer what is no call of the API."""
        name = request.target.partition("?")[0].split("/")[1:2]
        if name == ["healthz"]:
            return json_response(200, {"status": "ok"})
        if name == ["readyz"]:
            return self._readiness()
        page = self._beside.get(name[0]) if name else None
        return page(request) if page else None

    def _readiness(self) -> Response:
        """A broker that cannot reach the database it shares should be sent nothing; healthy it is all the same."""
        if self._desk.lease() is None:
            return json_response(503, {"status": "the database cannot be reached"})
        return json_response(200, {"status": "ok"})

    def _call(self, request: Request) -> Answer:
        match = self._router.find(request.target, request.method)
        if match.route.public:
            tenant, role = self._anybody(match.names["user"]), _FULL
        else:
            tenant, role = self.authenticate(request)
        if role != "full":
            _check_role(role, match.route, request)
        # who shows no token takes nothing from those who do
        counted = f"{tenant.name}\x1fanybody" if match.route.public else tenant.name
        self._burst.take(counted, request.target, self._desk.clock())
        if self._settings.trusted_proxies:
            request.peer = caller(request, self._settings.trusted_proxies)
        call = Call(
            request,
            tenant,
            match.names,
            self._desk,
            self._settings,
            self.levels,
            self._preflights,
            self._cancels,
            role,
        )
        if match.route.audit != "no":
            name = f"{match.route.method} {match.route.path}"
            call = audited(call, name, with_body=match.route.audit == "with its body")
        return match.route.respond(call)

    def _anybody(self, name: str) -> Tenant:
        """Return the tenant that an address without a token names."""
        for tenant in self._settings.tenants:
            if tenant.name == name:
                return tenant
        raise Refused(404, f"there is no user {name}")

    def authenticate(self, request: Request) -> tuple[Tenant, Role]:
        """Return whose token it is and what it may do; tokens are compared by their hashes.

        Raises:
            Refused: 401 without a token that is known.
        """
        known = self._known(request)
        if known is None:
            raise Refused(401, "unable to authenticate: invalid token")
        return known

    def knows(self, request: Request) -> bool:
        """Return whether a request carries a token that is known."""
        return self._known(request) is not None

    def _known(self, request: Request) -> tuple[Tenant, Role] | None:
        return self._tenants.get(request.once("fingerprint", lambda: _fingerprint(_token(request))))


def _check_site(request: Request, names: frozenset[str]) -> None:
    """Refuse what another site's page may have sent: with a token that everybody knows it could call whatever we can reach.

    The console looks at its forms itself, and its pages may be linked to.

    Raises:
        Refused: 403.
    """
    host = request.header("host") or ""
    if not is_known_here(host, names):
        raise Refused(
            403,
            f"this broker is for development, and its tokens are public: it does not answer to {host[:200]!r}, which any"
            " site could make its name; `ringback dev --allow-host NAME` lets it",
        )
    if not request.target.startswith("/console") and is_of_another_site(request.header):
        raise Refused(
            403, "this broker is for development, and its tokens are public: pages of other sites are refused"
        )


def _token(request: Request) -> str:
    authorization = request.header("authorization")
    if authorization is not None:
        scheme, _, token = authorization.partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""
    if "qstash_token=" in request.target:
        return dict(parse_qsl(request.target.partition("?")[2])).get("qstash_token", "")
    return ""


def _check_role(role: Role, route: Route, request: Request) -> None:
    """A token that is not full may do less.

    Raises:
        Refused: 403.
    """
    if role == "read" and (request.method != "GET" or route.secret):
        raise Refused(403, "this token is read only")
    if role == "publish" and not route.publishes:
        raise Refused(403, "this token may only publish messages and start runs")


def caller(request: Request, trusted: tuple[Network, ...]) -> str:
    """Return who called: behind proxies we trust, the last address in `X-Forwarded-For` that is not one of them.

    Some proxies write a line of their own below what the caller has sent: all lines together are the list.
    """
    lines = [value for name, value in request.headers if name == "x-forwarded-for"]
    told = [part.strip() for line in lines for part in line.split(",")]
    found = request.peer
    while told and _is_within(found, trusted) and _address(told[-1]):
        found = told.pop()
    return found


def _is_within(address: str, networks: tuple[Network, ...]) -> bool:
    ip = _address(address)
    return ip is not None and any(ip.version == network.version and ip in network for network in networks)


def _address(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def explain(error: BaseException) -> Response | None:
    """Return the answer for what went wrong while an answer was awaited, None where there is nothing to tell."""
    if isinstance(error, Refused):
        return refusal(error)
    if isinstance(error, StoreUnavailable):
        _log.error("the store is unavailable: %s", error)
        cause = f" ({error.cause})" if error.cause else ""
        return json_response(503, {"error": f"the broker cannot write at this moment{cause}, try again"})
    return None


def refusal(error: Refused) -> Response:
    """Return the answer that tells a caller why a request was refused."""
    response = json_response(error.status, {"error": error.text})
    if error.headers:
        response.headers = [*response.headers, *error.headers]
    return response


def _fingerprint(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
