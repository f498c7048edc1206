"""The operator's page: orders that a provider may have taken, and a decision about each. It works without scripts."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from fastapi.templating import Jinja2Templates

from ringback_video.access import check_origin
from ringback_video.operators import (
    OPERATOR_COOKIE,
    OPERATOR_SECONDS,
    check_open,
    has_session,
    is_key,
    operator_session,
)
from ringback_video.parking import LONGEST_OPERATION, Decision, decide, undecided
from ringback_video.problems import Problem
from ringback_video.studio import Studio

_PATH = "/operator"
_FORM = {
    "title": "Operator",
    "action": f"{_PATH}/login",
    "label": "The operator's key",
    "hint": "It is what STUDIO_OPERATOR_KEY was set to.",
}


def operator_routes(studio: Studio, pages: Jinja2Templates, rules: Mapping[str, str]) -> APIRouter:
    """Return the routes of the operator's page.

    Args:
        studio: its parts.
        pages: where the templates are.
        rules: headers of every page.
    """
    router = APIRouter(include_in_schema=False)
    headers = {**rules, "Cache-Control": "no-store"}
    settings = studio.settings

    def show(request: Request, name: str, status: int, **values: Any) -> Response:
        return pages.TemplateResponse(request, name, values, status, headers)

    def orders(request: Request, status: int, problem: Problem | None = None, job_id: str = "") -> Response:
        with studio.database.transaction() as session:
            waiting = undecided(session)
        told = problem.detail if problem else ""
        known = any(job.id == job_id for _, job in waiting)
        return show(
            request,
            "operator.html",
            status,
            orders=waiting,
            problem=told,
            job_id=job_id if known else "",
            longest=LONGEST_OPERATION,
        )

    @router.get(_PATH)
    def list_orders(request: Request) -> Response:
        """The parked orders, or the form to log in."""
        check_open(settings)
        return orders(request, 200) if has_session(settings, request) else show(request, "login.html", 200, **_FORM)

    @router.post(f"{_PATH}/login")
    def log_in(request: Request, key: Annotated[str, Form(max_length=200)]) -> Response:
        """Begin a session."""
        check_open(settings)
        check_origin(request, is_needed=True)
        if not is_key(settings, key.strip()):
            return show(request, "login.html", 401, problem="This is not the operator's key.", **_FORM)
        answer = RedirectResponse(_PATH, 303)
        is_secure = settings.public_url.startswith("https:")
        answer.set_cookie(
            OPERATOR_COOKIE,
            operator_session(settings),
            OPERATOR_SECONDS,
            path=_PATH,
            httponly=True,
            samesite="strict",
            secure=is_secure,
        )
        return answer

    @router.post(f"{_PATH}/{{job_id}}")
    def decide_order(
        request: Request,
        job_id: str,
        decision: Annotated[Decision, Form()],
        operation_id: Annotated[str, Form(max_length=LONGEST_OPERATION)] = "",
    ) -> Response:
        """Decide about one, and show what is left."""
        check_open(settings)
        check_origin(request, is_needed=True)
        if not has_session(settings, request):
            return RedirectResponse(_PATH, 303)
        try:
            decide(studio, job_id, decision, operation_id.strip() or None)
        except Problem as problem:
            return orders(request, problem.status, problem, job_id)
        return RedirectResponse(_PATH, 303)

    return router
