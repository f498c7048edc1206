"""Workflows in Starlette and FastAPI applications."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Unpack

from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import Response as StarletteResponse
from starlette.routing import Route, Router

from ringback.workflow.adapters import asgi
from ringback.workflow.definition import ServeOptions, Workflow, WorkflowFunction, as_workflow
from ringback.workflow.endpoint import Endpoint
from ringback.workflow.many import Endpoints


def serve(
    app: Starlette | Router,
    path: str,
    function: WorkflowFunction | Workflow,
    **options: Unpack[ServeOptions],
) -> None:
    """Serve a workflow at a path.

    >>> serve(app, "/api/process-video", process_video, failure_function=on_failure)

    Args:
        app: a Starlette or FastAPI application or router.
        path: where; runs are started by sending their payload there.
        function: the workflow.
        **options: see `ServeOptions`.
    """
    endpoint = Endpoint(as_workflow(function, options))
    app.routes.append(Route(path, _route(endpoint), methods=["POST"], include_in_schema=False))


def serve_many(
    app: Starlette | Router,
    path: str,
    workflows: Mapping[str, WorkflowFunction | Workflow],
    **options: Unpack[ServeOptions],
) -> None:
    """Serve several workflows below a path, each under its name, so that they can invoke each other.

    >>> serve_many(app, "/workflows", {"order": order, "ship": ship})
    """
    endpoints = Endpoints(workflows, options)
    route = Route(f"{path.rstrip('/')}/{{name}}", _route(endpoints), methods=["POST"], include_in_schema=False)
    app.routes.append(route)


def _route(endpoint: Endpoint | Endpoints) -> Callable[[StarletteRequest], Awaitable[StarletteResponse]]:
    async def route(came: StarletteRequest) -> StarletteResponse:
        response = await asgi.answer(endpoint, came.scope, await came.body())
        said = StarletteResponse(response.body, response.status)
        length = ("content-length", str(len(response.body)))
        lines = [*response.headers, length]
        said.raw_headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in lines]
        return said

    return route
