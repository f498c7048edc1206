"""The catalogue against our broker, over real sockets, through every adapter: with results on the response, and without."""

import asyncio
import json
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ringback.client import AsyncTransport, AsyncWorkflowClient, Broker, LogFilter
from ringback.wire.http import Request as WireRequest
from ringback.workflow.definition import ServeOptions
from support.scripted_broker import Answer
from workflow.adapters import ADAPTERS
from workflow.catalogue.entry import Entry
from workflow.served import LIMIT, served
from workflow.test_catalogue import NAMES, entry_of

ENTRIES = {name: entry_of(name) for name in NAMES if not entry_of(name).is_long}


class Front:
    """A server that passes deliveries to an adapter and counts them, and is the third party of calls.

    Args:
        answer: the adapter.
        offer: whether the adapter hears of results on the response.
    """

    def __init__(self, answer: Answer, *, offer: bool) -> None:
        self._answer = answer
        self._offer = offer
        self.deliveries: dict[str, int] = {}
        routes = [
            Route("/vendor/{name}{rest:path}", self._vend, methods=["GET", "POST"]),
            Route("/wf/{name}", self._deliver, methods=["POST"]),
        ]
        self.app = Starlette(routes=routes)

    async def _deliver(self, request: Request) -> Response:
        name = request.path_params["name"]
        self.deliveries[name] = self.deliveries.get(name, 0) + 1
        lines = [(key.decode("latin-1"), value.decode("latin-1")) for key, value in request.headers.raw]
        if not self._offer:
            lines = [line for line in lines if line[0] != "ringback-accept-result"]
        came = WireRequest("POST", request.url.path, lines, await request.body())
        said = await self._answer(came, str(request.url))
        return Response(said.body, said.status, dict(said.headers))

    async def _vend(self, request: Request) -> Response:
        vendor = ENTRIES[request.path_params["name"]].vendor
        assert vendor is not None
        body = (await request.body()).decode()
        status, text = vendor(request.url.path, dict(request.headers), body)
        return Response(text, status, media_type="application/json")


async def ended(client: AsyncWorkflowClient, run_id: str) -> dict[str, Any]:
    """Return the log of a run once it has ended."""
    async with asyncio.timeout(LIMIT):
        while True:
            page = await client.logs(LogFilter(workflow_run_id=run_id))
            if page.items and page.items[0]["workflowState"] != "RUN_STARTED":
                return page.items[0]
            await asyncio.sleep(0.05)


async def run_entry(client: AsyncWorkflowClient, address: str, name: str, entry: Entry) -> dict[str, Any]:
    """Run a workflow of the catalogue to its end and return its log."""
    payload = f"{address}/vendor/{name}" if entry.vendor else entry.payload
    run = await client.trigger(url=f"{address}/wf/{entry.function.__name__}", body=payload)
    return await ended(client, run.workflow_run_id)


@pytest.mark.parametrize("offer", [True, False], ids=["results on the response", "results by requests"])
@pytest.mark.parametrize("adapter", ADAPTERS)
async def test_the_workflows_do_what_their_files_say(real_broker: Broker, adapter: str, offer: bool) -> None:
    workflows = {entry.function.__name__: entry.function for entry in ENTRIES.values()}
    siblings = {name: child for entry in ENTRIES.values() for name, child in entry.siblings.items()}
    transport = AsyncTransport(real_broker)
    async with ADAPTERS[adapter](workflows | siblings, ServeOptions(transport=transport)) as answer:
        front = Front(answer, offer=offer)
        async with served(front.app) as address, AsyncWorkflowClient(real_broker) as client:
            runs = (run_entry(client, address, name, entry) for name, entry in ENTRIES.items())
            logs = dict(zip(ENTRIES, await asyncio.gather(*runs), strict=True))
            await transport.close()
    for name, entry in ENTRIES.items():
        log = logs[name]
        assert log["workflowState"] == entry.state, (name, log)
        assert json.loads(log.get("workflowRunResponse", "null")) == entry.result, name
        asked = [entry.function.__name__, *entry.siblings]
        assert sum(front.deliveries.get(each, 0) for each in asked) == entry.deliveries, name
