"""Logging in with a shop's key, and out."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.templating import Jinja2Templates

from ringback_video.access import COOKIE, SESSION_SECONDS, check_origin, start_session
from ringback_video.studio import Studio

_FORM = {
    "title": "Log in",
    "action": "/login",
    "label": "Your shop's key",
    "hint": "It begins with “vs_”. Whoever runs this studio has given it to you, and can give you a new one.",
}


def login_routes(studio: Studio, pages: Jinja2Templates, rules: Mapping[str, str]) -> APIRouter:
    """Return the routes of the log-in form.

    Args:
        studio: its parts.
        pages: where the form is.
        rules: headers of every page.
    """
    router = APIRouter(include_in_schema=False)
    headers = {**rules, "Cache-Control": "no-store"}
    is_secure = studio.settings.public_url.startswith("https:")

    def form(request: Request, problem: str, status: int) -> HTMLResponse:
        return pages.TemplateResponse(request, "login.html", {**_FORM, "problem": problem}, status, headers)

    @router.get("/login")
    def show_form(request: Request) -> HTMLResponse:
        """The form."""
        return form(request, "", 200)

    @router.post("/login")
    def log_in(request: Request, key: Annotated[str, Form(max_length=200)]) -> Response:
        """Begin a session."""
        check_origin(request, is_needed=True)
        cookie = start_session(studio, key.strip())
        if cookie is None:
            return form(request, "This key is not known, or has ended.", 401)
        answer = RedirectResponse("/", 303)
        answer.set_cookie(COOKIE, cookie, SESSION_SECONDS, httponly=True, samesite="lax", secure=is_secure)
        return answer

    @router.post("/logout")
    def log_out(request: Request) -> RedirectResponse:
        """End the session in this browser."""
        check_origin(request, is_needed=True)
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(COOKIE, httponly=True, samesite="lax", secure=is_secure)
        return answer

    return router
