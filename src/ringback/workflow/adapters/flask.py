"""Workflows in Flask applications."""

from collections.abc import Callable, Mapping
from typing import Any, Unpack

from flask import Blueprint, Flask
from flask import Response as FlaskResponse
from flask import request as came

from ringback.wire.http import Request
from ringback.workflow.adapters.wsgi import target_of
from ringback.workflow.definition import ServeOptions, Workflow, WorkflowFunction, as_workflow
from ringback.workflow.endpoint import Endpoint
from ringback.workflow.loops import LOOPS
from ringback.workflow.many import Endpoints


def serve(
    app: Flask | Blueprint,
    path: str,
    function: WorkflowFunction | Workflow,
    **options: Unpack[ServeOptions],
) -> None:
    """Serve a workflow at a path.

    >>> serve(app, "/api/process-video", process_video, failure_function=on_failure)
    """
    view = _view(Endpoint(as_workflow(function, options)))
    app.add_url_rule(path, f"workflow_{_word(path)}", view, methods=["POST"])


def serve_many(
    app: Flask | Blueprint,
    path: str,
    workflows: Mapping[str, WorkflowFunction | Workflow],
    **options: Unpack[ServeOptions],
) -> None:
    """Serve several workflows below a path, each under its name.

    >>> serve_many(app, "/workflows", {"order": order, "ship": ship})
    """
    view = _view(Endpoints(workflows, options))
    app.add_url_rule(f"{path.rstrip('/')}/<name>", f"workflows_{_word(path)}", view, methods=["POST"])


def _view(endpoint: Endpoint | Endpoints) -> Callable[..., FlaskResponse]:
    def view(**_: Any) -> FlaskResponse:
        headers = [(name.lower(), value) for name, value in came.headers]
        request = Request(came.method, target_of(came.environ), headers, came.get_data(), came.remote_addr or "")
        response = LOOPS.wait_for(endpoint.answer(request, came.url), endpoint.close)
        return FlaskResponse(response.body, response.status, response.headers)

    return view


def _word(path: str) -> str:
    return "".join(char if char.isalnum() else "_" for char in path)
