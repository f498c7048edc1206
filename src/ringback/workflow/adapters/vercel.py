"""Workflows as Vercel functions: the entry file's `app` is the bare ASGI or WSGI application.

    from ringback.workflow.adapters.vercel import serve

    app = serve(process_video)

Vercel names the deployment that serves a request in `VERCEL_URL`; runs stay on the deployment they were started on.
"""

import os
from collections.abc import Mapping
from typing import Unpack
from wsgiref.types import WSGIApplication

from ringback.workflow.adapters import asgi, wsgi
from ringback.workflow.definition import ServeOptions, Workflow, WorkflowFunction


def serve(function: WorkflowFunction | Workflow, **options: Unpack[ServeOptions]) -> asgi.Application:
    """Return the ASGI application of an entry file."""
    return asgi.serve(function, **_pinned(options))


def serve_many(
    workflows: Mapping[str, WorkflowFunction | Workflow], **options: Unpack[ServeOptions]
) -> asgi.Application:
    """Return the ASGI application of an entry file with several workflows."""
    return asgi.serve_many(workflows, **_pinned(options))


def serve_wsgi(function: WorkflowFunction | Workflow, **options: Unpack[ServeOptions]) -> WSGIApplication:
    """Return the WSGI application of an entry file."""
    return wsgi.serve(function, **_pinned(options))


def serve_many_wsgi(
    workflows: Mapping[str, WorkflowFunction | Workflow], **options: Unpack[ServeOptions]
) -> WSGIApplication:
    """Return the WSGI application of an entry file with several workflows."""
    return wsgi.serve_many(workflows, **_pinned(options))


def _pinned(options: ServeOptions) -> ServeOptions:
    """Return the options with the deployment's own address, unless a public one is given.

    A deployment's code never changes, so runs in flight are not touched by later deployments.
    """
    env = options.get("env", os.environ)
    if "base_url" in options or "url" in options or env.get("UPSTASH_WORKFLOW_URL") or not env.get("VERCEL_URL"):
        return options
    return ServeOptions(**{**options, "base_url": f"https://{env['VERCEL_URL']}"})
