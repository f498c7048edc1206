"""Every adapter in memory: what a test needs to serve workflows through it."""

import asyncio
import io
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote
from wsgiref.util import setup_testing_defaults

import httpx
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from fastapi import FastAPI
from flask import Flask

from ringback.wire.http import Request, Response
from ringback.workflow.adapters import asgi, aws_lambda, flask, starlette, vercel, wsgi
from ringback.workflow.definition import ServeOptions
from ringback.workflow.loops import LOOPS
from ringback.workflow.many import Endpoints
from support.django_project import Urls, configure
from support.scripted_broker import Answer

Workflows = Mapping[str, Callable[..., Any]]
PREFIX = "/wf"


def _bytes(request: Request) -> list[tuple[bytes, bytes]]:
    """Return header lines as they are on the wire: Latin-1, or UTF-8 where that does not suffice."""
    return [(name.encode(), _value(value)) for name, value in request.headers]


def _value(value: str) -> bytes:
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode()


@asynccontextmanager
async def _over_asgi(app: Any) -> AsyncIterator[Answer]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app, raise_app_exceptions=False)) as client:

        async def answer(request: Request, url: str) -> Response:
            came = await client.request(request.method, url, headers=_bytes(request), content=request.body)
            return Response(came.status_code, list(came.headers.items()), came.content)

        yield answer


@asynccontextmanager
async def _over_wsgi(app: Any) -> AsyncIterator[Answer]:
    async def answer(request: Request, url: str) -> Response:
        return await asyncio.to_thread(_call_wsgi, app, request, url)

    yield answer
    await asyncio.to_thread(LOOPS.close)


def _call_wsgi(app: Any, request: Request, url: str) -> Response:
    path, _, query = request.target.partition("?")
    environ: dict[str, Any] = {"REQUEST_METHOD": request.method, "PATH_INFO": unquote(path), "QUERY_STRING": query}
    environ |= {"wsgi.url_scheme": "https", "HTTP_HOST": httpx.URL(url).host, "CONTENT_LENGTH": str(len(request.body))}
    environ |= {
        f"HTTP_{name.decode().upper().replace('-', '_')}": value.decode("latin-1") for name, value in _bytes(request)
    }
    environ["CONTENT_TYPE"] = environ.pop("HTTP_CONTENT_TYPE")
    setup_testing_defaults(environ)
    environ["wsgi.input"] = io.BytesIO(request.body)
    started: list[Any] = []
    parts = app(environ, lambda status, headers, exc_info=None: started.extend((status, headers)))
    try:
        body = b"".join(parts)
    finally:
        getattr(parts, "close", lambda: None)()
    return Response(int(started[0].split()[0]), started[1], body)


@asynccontextmanager
async def _direct(workflows: Workflows, options: ServeOptions) -> AsyncIterator[Answer]:
    yield Endpoints(workflows, options).answer


@asynccontextmanager
async def _fastapi(workflows: Workflows, options: ServeOptions) -> AsyncIterator[Answer]:
    app = FastAPI()
    starlette.serve_many(app, PREFIX, workflows, **options)
    async with _over_asgi(app) as answer:
        yield answer


@asynccontextmanager
async def _asgi(workflows: Workflows, options: ServeOptions) -> AsyncIterator[Answer]:
    async with _over_asgi(asgi.serve_many(workflows, **options)) as answer:
        yield answer


@asynccontextmanager
async def _vercel(workflows: Workflows, options: ServeOptions) -> AsyncIterator[Answer]:
    async with _over_asgi(vercel.serve_many(workflows, **options)) as answer:
        yield answer


@asynccontextmanager
async def _wsgi(workflows: Workflows, options: ServeOptions) -> AsyncIterator[Answer]:
    async with _over_wsgi(wsgi.serve_many(workflows, **options)) as answer:
        yield answer


@asynccontextmanager
async def _flask(workflows: Workflows, options: ServeOptions) -> AsyncIterator[Answer]:
    app = Flask(__name__)
    flask.serve_many(app, PREFIX, workflows, **options)
    async with _over_wsgi(app) as answer:
        yield answer


def _django_urls(workflows: Workflows, options: ServeOptions, *, blocking: bool) -> None:
    configure()
    from django.urls import clear_url_caches

    from ringback.workflow.adapters.django import serve_many

    Urls.urlpatterns = [serve_many(PREFIX[1:], workflows, blocking=blocking, **options)]
    clear_url_caches()


@asynccontextmanager
async def _django_async(workflows: Workflows, options: ServeOptions) -> AsyncIterator[Answer]:
    _django_urls(workflows, options, blocking=False)
    async with _over_asgi(ASGIHandler()) as answer:
        yield answer


@asynccontextmanager
async def _django_blocking(workflows: Workflows, options: ServeOptions) -> AsyncIterator[Answer]:
    _django_urls(workflows, options, blocking=True)
    async with _over_wsgi(WSGIHandler()) as answer:
        yield answer


@asynccontextmanager
async def _lambda(workflows: Workflows, options: ServeOptions) -> AsyncIterator[Answer]:
    entry = aws_lambda.serve_many(workflows, **options)

    async def answer(request: Request, url: str) -> Response:
        path, _, query = request.target.partition("?")
        event = {
            "version": "2.0",
            "rawPath": path,
            "rawQueryString": query,
            "headers": dict(request.headers),
            "requestContext": {
                "domainName": httpx.URL(url).host,
                "http": {"method": request.method, "path": path, "sourceIp": "127.0.0.1"},
            },
            "body": b64encode(request.body).decode(),
            "isBase64Encoded": True,
        }
        said = await asyncio.to_thread(entry, event, None)
        return Response(said["statusCode"], list(said["headers"].items()), said["body"].encode())

    yield answer
    await asyncio.to_thread(LOOPS.close)


ADAPTERS = {
    "direct": _direct,
    "fastapi": _fastapi,
    "asgi": _asgi,
    "vercel": _vercel,
    "wsgi": _wsgi,
    "flask": _flask,
    "django async": _django_async,
    "django blocking": _django_blocking,
    "lambda": _lambda,
}
