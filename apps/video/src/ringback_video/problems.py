"""What went wrong, as a problem document (RFC 9457) that names the field."""

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

MEDIA_TYPE = "application/problem+json"
"""Of RFC 9457."""


class Problem(Exception):
    """A request that cannot be granted.

    Args:
        status: HTTP status.
        title: what kind of problem, the same each time.
        detail: what to do about it.
        field: which field of the request it is about.
    """

    def __init__(self, status: int, title: str, detail: str, field: str | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title
        self.detail = detail
        self.field = field


def answer_problems(app: FastAPI) -> None:
    """Let an application answer every refusal with a problem document."""

    @app.exception_handler(Problem)
    async def _problem(_: Request, problem: Problem) -> JSONResponse:
        return _document(problem.status, problem.title, problem.detail, problem.field)

    @app.exception_handler(RequestValidationError)
    async def _invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"] if part != "body")
        return _document(422, "Invalid request", f"{first['msg']}.", field or None)

    @app.exception_handler(HTTPException)
    async def _http(_: Request, error: HTTPException) -> JSONResponse:
        return _document(error.status_code, str(error.detail), str(error.detail), None)


def _document(status: int, title: str, detail: str, field: str | None) -> JSONResponse:
    document = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    return JSONResponse(document | {"field": field} if field else document, status, headers, MEDIA_TYPE)
