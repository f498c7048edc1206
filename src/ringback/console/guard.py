"""What every request passes and every answer carries: same-origin checks, a bound on bodies, and headers for the browser."""

from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ringback.wire.browsers import is_page_of

LARGEST_BODY = 12 * 1024 * 1024
_SAFE = frozenset({"GET", "HEAD"})
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
        " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class Guard:
    """Refuses what another site sent, and tells browsers what these pages may do.

    Args:
        app: what is guarded.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                is_file = scope["path"].startswith("/console/static/") and message["status"] == 200
                headers["Cache-Control"] = "public, max-age=31536000, immutable" if is_file else "no-store"
            await send(message)

        headers = Headers(scope=scope)
        refused = reason(scope["method"], headers)
        if refused:
            await PlainTextResponse(refused, 403)(scope, receive, send_guarded)
        elif int(headers.get("content-length") or 0) > LARGEST_BODY:
            await PlainTextResponse("the form is too large", 413)(scope, receive, send_guarded)
        else:
            await self._app(scope, receive, send_guarded)


def reason(method: str, headers: Mapping[str, str]) -> str | None:
    """Return why a request is refused that may come from another site, None if it is ours.

    A browser's own word (`Sec-Fetch-Site`) counts first: no page can forge it, and a proxy that changes `Host` does not
    make it wrong. Browsers send it over HTTPS and to this machine; elsewhere the origin must be the host that was asked.
    """
    if method in _SAFE:
        return None
    site = headers.get("sec-fetch-site")
    if site is not None:
        return None if site == "same-origin" else "this request comes from another site"
    origin = headers.get("origin")
    if origin is None:
        return "this request does not say which site it comes from"
    host = headers.get("host", "").lower()
    if not is_page_of(origin, host):
        return (
            f"this request comes from another site: its page is at {origin[:200]!r}, and {host[:200]!r} was asked for;"
            " a proxy in between must pass the Host header on as it came"
        )
    return None
