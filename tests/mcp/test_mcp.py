"""An assistant's client reads a real broker through `ringback mcp`, and cannot change it."""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from mcp.client.stdio import stdio_client

from mcp import ClientSession, StdioServerParameters
from support.endpoint import Answer, Received, eventually, listening
from support.process import BrokerProcess, running


@pytest.fixture(scope="module")
def broker() -> Any:
    with running() as process:
        yield process


@asynccontextmanager
async def assistant(broker: BrokerProcess) -> AsyncIterator[ClientSession]:
    environment = {"QSTASH_URL": broker.url, "QSTASH_TOKEN": broker.token}
    command = StdioServerParameters(command=sys.executable, args=["-m", "ringback", "mcp"], env=environment)
    async with stdio_client(command) as (reading, writing), ClientSession(reading, writing) as session:
        await session.initialize()
        yield session


async def ask(session: ClientSession, tool: str, **arguments: Any) -> Any:
    answer = await session.call_tool(tool, arguments)
    assert not answer.is_error, answer
    return json.loads(answer.content[0].text)  # type: ignore[union-attr]


async def test_an_assistant_reads_runs_events_and_dead_letters(broker: BrokerProcess) -> None:
    def respond(_: Received) -> Answer:
        return Answer(500, b"boom")

    with listening(respond) as endpoint, httpx.Client(base_url=broker.url, headers=_bearer(broker)) as http:
        message = http.post(f"/v2/publish/{endpoint.url}/x", headers={"Upstash-Retries": "0"}).json()["messageId"]
        run = http.post(f"/v2/trigger/{endpoint.url}/wf", headers={"Upstash-Retries": "0"}).json()["workflowRunId"]
        eventually(lambda: http.get("/v2/dlq").json()["messages"] and http.get("/v2/workflows/dlq").json()["messages"])
    async with assistant(broker) as session:
        tools = (await session.list_tools()).tools
        assert all(tool.annotations and tool.annotations.read_only_hint for tool in tools)
        events = await ask(session, "list_events", message_id=message)
        assert [one["state"] for one in events["items"]] == ["FAILED", "ERROR", "ACTIVE", "CREATED"]
        [letter] = (await ask(session, "list_dead_letters", status=500))["items"]
        assert (await ask(session, "show_dead_letter", dlq_id=letter["dlqId"]))["responseBody"] == "boom"
        assert (await ask(session, "show_run", workflow_run_id=run))["workflowState"] == "RUN_FAILED"
        assert (await ask(session, "list_failed_runs"))["items"][0]["workflowRunId"] == run
        assert (await ask(session, "list_runs", state="RUN_FAILED"))["items"]
        for tool in ("list_queues", "list_schedules", "list_url_groups", "list_flow_control_keys"):
            assert not (await session.call_tool(tool, {})).is_error


async def test_a_refusal_is_told_to_the_assistant(broker: BrokerProcess) -> None:
    async with assistant(broker) as session:
        answer = await session.call_tool("show_message", {"message_id": "msg_none"})
        assert answer.is_error
        assert "msg_none" in str(answer.content)


def _bearer(broker: BrokerProcess) -> dict[str, str]:
    return {"Authorization": f"Bearer {broker.token}"}
