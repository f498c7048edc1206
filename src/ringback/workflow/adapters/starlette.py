"""Workflows in Starlette and FastAPI applications."""

from collections.abc import Mapping
from typing import Unpack

from starlette.applications import Starlette
from starlette.routing import Route, Router

from ringback.workflow.adapters.asgi import Served
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
    app.routes.append(_route(_full(app, path), Endpoint(as_workflow(function, options))))


def serve_many(
    app: Starlette | Router,
    path: str,
    workflows: Mapping[str, WorkflowFunction | Workflow],
    **options: Unpack[ServeOptions],
) -> None:
    """Serve several workflows below a path, each under its name, so that they can invoke each other.

    >>> serve_many(app, "/workflows", {"order": order, "ship": ship})
    """
    app.routes.append(_route(f"{_full(app, path).rstrip('/')}/{{name}}", Endpoints(workflows, options)))


def _full(app: Starlette | Router, path: str) -> str:
    """Return a path with the prefix of FastAPI's routers, which know it themselves for routes of FastAPI's own only."""
    return getattr(app, "prefix", "") + path


def _route(path: str, endpoint: Endpoint | Endpoints) -> Route:
    """Return a route that hands requests on as they are: Starlette's own objects for them are not needed."""
    return Route(path, Served(endpoint), methods=["POST"], include_in_schema=False)
