"""The application: addresses, log-in, and the way from a page's values to an answer."""

import hmac
from collections.abc import Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import resources
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from ringback import clock
from ringback.client import BrokerMisunderstood, BrokerUnreachable
from ringback.client.insight import account
from ringback.clock import Clock
from ringback.console.door import Door
from ringback.console.guard import Guard
from ringback.console.live import Live
from ringback.console.pages import SECTIONS
from ringback.console.render import Renderer
from ringback.console.screens import ROOT, Deed, Screen, Values, Visit
from ringback.console.session import LIFETIME_S, LONGEST_TOKEN, Seal, Session, begin
from ringback.errors import Refused

_COOKIE, _SAID = "ringback_session", "ringback_said"
_SAID_FOR_S = 60
_PUBLISH_ONLY = "This token may only publish. The console needs the full token, or one that may read."


@dataclass(frozen=True, slots=True)
class Offer:
    """A token that anybody may know, offered on the log-in page: of a broker for development."""

    name: str
    token: str


class Console:
    """Answers requests for pages.

    Args:
        door: the way to the broker.
        seal: closes cookies.
        offer: a log-in with one click, for development.
        now: tells the time.
    """

    def __init__(self, door: Door, seal: Seal, offer: Offer | None = None, now: Clock = clock.now) -> None:
        self._door = door
        self._seal = seal
        self._offer = offer
        self._now = now
        self._render = Renderer(SECTIONS)
        self._live = Live()

    def application(self) -> Starlette:
        """Return the ASGI application."""
        static = str(resources.files("ringback.console") / "static")
        routes: list[Any] = [
            Route("/login", self.log_in_page, methods=["GET"]),
            Route("/login", self.log_in, methods=["POST"]),
            Route("/logout", self.log_out, methods=["POST"]),
            Mount("/static", StaticFiles(directory=static)),
        ]
        for section in SECTIONS:
            routes += [Route(one.path, self._page(one), methods=["GET"]) for one in section.screens]
            routes += [Route(one.path, self._deed(one), methods=["POST"]) for one in section.deeds]
            routes += [Route(one.path, self._answer(one), methods=["POST"]) for one in section.screens if one.answer]
        routes.append(Route("/{rest:path}", self._nothing, methods=["GET"]))

        @asynccontextmanager
        async def lifespan(_: Starlette) -> Any:
            yield
            await self._door.close()

        return Starlette(
            routes=[Route("/", _to_console), Route(ROOT, _to_console), Mount(ROOT, routes=routes)],
            middleware=[Middleware(Guard)],
            lifespan=lifespan,
        )

    # Logging in.

    async def log_in_page(self, request: Request) -> Response:
        """Show the form."""
        return self._form(request, "")

    async def log_in(self, request: Request) -> Response:
        """Ask the broker whose token it is; who may read gets a session."""
        form = _fields((await request.body()).decode("utf-8", "replace"))
        token = self._offer.token if self._offer and "offered" in form else form.get("token", ("",))[0].strip()
        if not token or len(token) > LONGEST_TOKEN or not token.isascii() or not token.isprintable():
            return self._form(request, "This is no token of this broker.", 401)
        try:
            await self._door.forget()
            told = await self._door.with_token(token)(account())
        except Refused as error:
            return self._form(request, _why_not(error), 401)
        except (BrokerUnreachable, BrokerMisunderstood) as error:
            return self._form(request, str(error), 502)
        if told.get("role") not in ("full", "read"):
            return self._form(request, _PUBLISH_ONLY, 403)
        session = begin(token, str(told["name"]), told["role"], fixed_keys=bool(told.get("keysAreFixed")))
        response = RedirectResponse(_inside(form.get("next", ("",))[0]), 303)
        self._keep(request, response, _COOKIE, self._seal.seal(session, self._now()), LIFETIME_S)
        return response

    async def log_out(self, request: Request) -> Response:
        """Forget the session."""
        response = RedirectResponse(f"{ROOT}/login", 303)
        if self._session(request):
            response.delete_cookie(_COOKIE, path=ROOT)
        return response

    def _form(self, request: Request, problem: str, status: int = 200) -> Response:
        following = _inside(request.query_params.get("next", ""))
        values: Values = {"problem": problem, "next": following, "offer": self._offer, "broker": self._door.url}
        return HTMLResponse(self._render.page("login.html", values), status)

    def _session(self, request: Request) -> Session | None:
        sealed = request.cookies.get(_COOKIE, "")
        return self._seal.open(sealed, self._now()) if sealed else None

    # Pages.

    def _page(self, screen: Screen) -> Callable[[Request], Any]:
        async def answer(request: Request) -> Response:
            session = self._session(request)
            if session is None:
                return _to_log_in(request)
            visit = self._visit(request, session, _fields(request.url.query))
            if screen.live and "text/event-stream" in request.headers.get("accept", ""):
                return self._live.stream(lambda: self._fragment(screen, visit))
            return await self._show(request, screen, visit)

        return answer

    async def _show(self, request: Request, screen: Screen, visit: Visit) -> Response:
        try:
            values = await screen.load(visit)
        except (Refused, BrokerUnreachable, BrokerMisunderstood, ValueError) as error:
            return self._trouble(request, visit.session, screen, error)
        said = self._seal.read(request.cookies.get(_SAID, ""), self._now(), _SAID_FOR_S)
        common = self._common(request, visit.session, screen) | {"said": said}
        response = HTMLResponse(self._render.page(screen.template, common | values))
        if _SAID in request.cookies:
            response.delete_cookie(_SAID, path=ROOT)
        return response

    async def _fragment(self, screen: Screen, visit: Visit) -> str:
        values = await screen.load(visit)
        common = {
            "session": visit.session,
            "screen": screen,
            "root": ROOT,
            "asked": visit.given,
            "query": _plain(visit.given),
        }
        return self._render.fragment(screen.template, "live", common | values)

    def _trouble(self, request: Request, session: Session, screen: Screen | None, error: Exception) -> Response:
        if isinstance(error, Refused) and error.status == 401:
            response: Response = _to_log_in(request)
            response.delete_cookie(_COOKIE, path=ROOT)
            return response
        status, text = (error.status, _text_of(error)) if isinstance(error, Refused) else (502, str(error))
        if isinstance(error, ValueError):
            status = 400
        told = {"problem": text, "status": status, "back": _back(request, status), "is_form": request.method == "POST"}
        values = self._common(request, session, screen) | told
        return HTMLResponse(self._render.page("trouble.html", values), status)

    def _common(self, request: Request, session: Session, screen: Screen | None) -> Values:
        return {
            "session": session,
            "screen": screen,
            "root": ROOT,
            "here": request.url.path,
            "asked": _fields(request.url.query),
            "query": _plain(_fields(request.url.query)),
            "broker": self._door.url,
        }

    async def _nothing(self, request: Request) -> Response:
        session = self._session(request)
        if session is None:
            return _to_log_in(request)
        return self._trouble(request, session, None, Refused(404, "There is no such page."))

    # Deeds.

    def _answer(self, screen: Screen) -> Callable[[Request], Any]:
        """Return what answers a form on the page it stands on."""
        load = screen.answer or screen.load

        async def act(visit: Visit, request: Request) -> Response:
            values = self._common(request, visit.session, screen) | await load(visit)
            return HTMLResponse(self._render.page(screen.template, values))

        return self._posted(act)

    def _deed(self, deed: Deed) -> Callable[[Request], Any]:
        async def act(visit: Visit, request: Request) -> Response:
            done = await deed.do(visit)
            response = RedirectResponse(done.to, 303)
            said = self._seal.close(done.text[:500], self._now())
            self._keep(request, response, _SAID, said, _SAID_FOR_S)
            return response

        return self._posted(act)

    def _posted(self, act: Callable[[Visit, Request], Awaitable[Response]]) -> Callable[[Request], Any]:
        """Return what answers a form: only one of this session, and only where it may change anything."""

        async def answer(request: Request) -> Response:
            session = self._session(request)
            if session is None:
                return _to_log_in(request)
            form = _fields((await request.body()).decode("utf-8", "replace"))
            if not hmac.compare_digest(form.get("csrf", ("",))[0].encode(), session.csrf.encode()):
                return self._trouble(request, session, None, Refused(403, "This form is too old. Load the page again."))
            if not session.may_write:
                return self._trouble(request, session, None, Refused(403, "This session may only read."))
            try:
                return await act(self._visit(request, session, form), request)
            except (Refused, BrokerUnreachable, BrokerMisunderstood, ValueError) as error:
                return self._trouble(request, session, None, error)

        return answer

    def _visit(self, request: Request, session: Session, given: Mapping[str, tuple[str, ...]]) -> Visit:
        path = {name: unquote(str(value)) for name, value in request.path_params.items()}
        return Visit(self._door.with_token(session.token), session, path, given, self._now(), self._door.url)

    @staticmethod
    def _keep(request: Request, response: Response, name: str, value: str, seconds: int) -> None:
        secure = "https" in (request.url.scheme, request.headers.get("x-forwarded-proto", ""))
        response.set_cookie(name, value, max_age=seconds, path=ROOT, secure=secure, httponly=True, samesite="strict")


async def _to_console(_: Request) -> Response:
    return RedirectResponse(f"{ROOT}/", 302)


def _to_log_in(request: Request) -> Response:
    if "text/event-stream" in request.headers.get("accept", ""):
        return Response("the session has ended", 401)
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    following = f"?next={quote(wanted)}" if request.method == "GET" and wanted.rstrip("/") != ROOT else ""
    return RedirectResponse(f"{ROOT}/login{following}", 303)


def _inside(address: str) -> str:
    """Return where to go after the log-in: only ever a page of the console."""
    is_ours = address.startswith(f"{ROOT}/") and "\\" not in address and address.isprintable()
    return address if is_ours else f"{ROOT}/"


def _back(request: Request, status: int) -> str:
    """Return where to go on from a page of trouble: where a form stood, or the same page, without a question that is refused."""
    if request.method == "POST":
        page = urlsplit(request.headers.get("referer", ""))
        return _inside(f"{page.path}?{page.query}" if page.query else page.path)
    return request.url.path + (f"?{request.url.query}" if request.url.query and status >= 500 else "")


def _fields(text: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for name, value in parse_qsl(text, max_num_fields=2000):
        found[name] = (*found.get(name, ()), value)
    return found


def _plain(given: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    return {name: values[0] for name, values in given.items()}


def _why_not(error: Refused) -> str:
    return "This is no token of this broker." if error.status == 401 else _text_of(error)


def _text_of(error: Refused) -> str:
    return error.text
