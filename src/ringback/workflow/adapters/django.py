"""Workflows in Django projects: async views under ASGI, blocking ones under WSGI."""

from collections.abc import Callable, Mapping
from typing import Any, Unpack

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.views.decorators.csrf import csrf_exempt

from ringback.wire.http import Request, Response
from ringback.workflow.definition import ServeOptions, Workflow, WorkflowFunction, as_workflow
from ringback.workflow.endpoint import Endpoint
from ringback.workflow.loops import LOOPS
from ringback.workflow.many import Endpoints


def serve(
    route: str,
    function: WorkflowFunction | Workflow,
    *,
    blocking: bool = False,
    **options: Unpack[ServeOptions],
) -> URLPattern:
    """Return a URL pattern that serves a workflow.

    >>> urlpatterns = [serve("api/process-video", process_video)]

    Args:
        route: as in `django.urls.path`.
        function: the workflow.
        blocking: make a blocking view, for projects that run under WSGI.
        **options: see `ServeOptions`.
    """
    return path(route, _view(Endpoint(as_workflow(function, options)), blocking))


def serve_many(
    route: str,
    workflows: Mapping[str, WorkflowFunction | Workflow],
    *,
    blocking: bool = False,
    **options: Unpack[ServeOptions],
) -> URLPattern:
    """Return a URL pattern that serves several workflows below a route, each under its name."""
    return path(f"{route.rstrip('/')}/<name>", _view(Endpoints(workflows, options), blocking))


def _view(endpoint: Endpoint | Endpoints, blocking: bool) -> Callable[..., Any]:
    async def view(came: HttpRequest, **_: Any) -> HttpResponse:
        return response_of(await endpoint.answer(request_of(came), came.build_absolute_uri()))

    def blocking_view(came: HttpRequest, **_: Any) -> HttpResponse:
        return response_of(LOOPS.wait_for(endpoint.answer(request_of(came), came.build_absolute_uri()), endpoint.close))

    # The broker sends no CSRF token; its signature is what it shows
    exempt: Callable[..., Any] = csrf_exempt(blocking_view if blocking else view)
    return exempt


def request_of(came: HttpRequest) -> Request:
    """Return a Django request."""
    headers = [(name.lower(), value) for name, value in came.headers.items()]
    return Request(came.method or "", came.get_full_path(), headers, came.body, came.META.get("REMOTE_ADDR", ""))


def response_of(response: Response) -> HttpResponse:
    """Return a response in Django's words."""
    return HttpResponse(response.body, status=response.status, headers=dict(response.headers))
