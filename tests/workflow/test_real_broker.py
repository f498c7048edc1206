"""The catalogue against our broker, over real sockets: with results on the response, and without."""

import asyncio
import json
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ringback.client import AsyncTransport, AsyncWorkflowClient, Broker, LogFilter
from ringback.workflow.adapters.starlette import serve_many
from workflow.catalogue.entry import Entry
from workflow.served import LIMIT, served
from workflow.test_catalogue import NAMES, entry_of


class WithoutOffer:
    """An application that never hears of results on the response."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        scope["headers"] = [pair for pair in scope["headers"] if pair[0] != b"ringback-accept-result"]
        await self.app(scope, receive, send)


class Counted:
    """An application that counts its requests by path."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.paths: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.paths.append(scope["path"])
        await self.app(scope, receive, send)


def vendor_route(entry: Entry) -> Route:
    async def route(request: Request) -> Response:
        assert entry.vendor is not None
        body = (await request.body()).decode()
        status, text = entry.vendor(request.url.path, dict(request.headers), body)
        return Response(text, status, media_type="application/json")

    return Route("/vendor{rest:path}", route, methods=["GET", "POST"])


async def ended(client: AsyncWorkflowClient, run_id: str) -> dict[str, Any]:
    """Return the log of a run once it has ended."""
    async with asyncio.timeout(LIMIT):
        while True:
            page = await client.logs(LogFilter(workflow_run_id=run_id))
            if page.items and page.items[0]["workflowState"] != "RUN_STARTED":
                return page.items[0]
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("offer", [True, False])
@pytest.mark.parametrize("name", [name for name in NAMES if not entry_of(name).is_long])
async def test_the_workflow_does_what_its_file_says(real_broker: Broker, name: str, offer: bool) -> None:
    entry = entry_of(name)
    app = Starlette(routes=[vendor_route(entry)])
    workflows = {name: entry.function, **entry.siblings}
    transport = AsyncTransport(real_broker)
    serve_many(app, "/wf", workflows, transport=transport)
    counted = Counted(app if offer else WithoutOffer(app))
    async with served(counted) as address, AsyncWorkflowClient(real_broker) as client:
        payload = f"{address}/vendor" if entry.vendor else entry.payload
        run = await client.trigger(url=f"{address}/wf/{name}", body=payload)
        log = await ended(client, run.workflow_run_id)
        await transport.close()
    assert log["workflowState"] == entry.state, log
    assert json.loads(log.get("workflowRunResponse", "null")) == entry.result
    assert len([path for path in counted.paths if path.startswith("/wf/")]) == entry.deliveries
