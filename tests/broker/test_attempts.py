"""Every attempt with its request and its answer: as it was sent, without what must not be shown."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ringback.broker.records import Event, State
from ringback.broker.rules.attempts import attempts
from ringback.broker.settings import Limits
from ringback.broker.stores.memory import MemoryStore
from ringback.wire.http import Outbound, Outcome
from support.inprocess import OTHER, InProcess, inprocess

URL = "http://shop.example/hook"
SIGNATURE = "Upstash-Signature"


@pytest.fixture
async def broker() -> AsyncIterator[InProcess]:
    async with inprocess(MemoryStore()) as running:
        yield running


async def attempts_of(broker: InProcess, message: str, query: str = "") -> Any:
    answer = await broker.call("GET", f"/v2/messages/{message}/attempts{query}")
    assert answer.status == 200, answer
    return answer.json


def busy_twice(outbound: Outbound) -> Outcome:
    tried = int(dict(outbound.headers)["Upstash-Retried"])
    return Outcome(503, [("X-Try", str(tried))], b"busy") if tried < 2 else Outcome(201, [("X-Done", "yes")], b"made")


async def test_each_request_is_told_as_it_was_sent_and_only_its_signature_is_hidden(broker: InProcess) -> None:
    broker.respond = busy_twice
    message = await broker.publish(URL, b'{"order": 7}', upstash_forward_tenant="blue", upstash_method="PUT")
    await broker.turn(3_600_000)
    told = await attempts_of(broker, message)
    assert (told["method"], told["url"], told["body"], told["bodyBytes"]) == ("PUT", URL, '{"order": 7}', 12)
    for one, sent in zip(told["attempts"], broker.sent, strict=True):
        assert one["headers"].pop(SIGNATURE) == ["REDACTED"]
        assert one["headers"] == {name: [value] for name, value in sent.headers if name != SIGNATURE}


async def test_each_answer_is_told_with_its_time_and_what_was_planned_next(broker: InProcess) -> None:
    broker.respond = busy_twice
    message = await broker.publish(URL)
    await broker.turn(3_600_000)
    first, second, third = (await attempts_of(broker, message))["attempts"]
    assert (first["attempt"], first["state"], first["responseStatus"], first["responseBody"]) == (
        1,
        "ERROR",
        503,
        "busy",
    )
    assert first["responseHeaders"] == {"X-Try": ["0"]}
    assert first["nextDeliveryTime"] == second["startedAt"] > first["endedAt"]
    assert (third["state"], third["responseStatus"], third["responseBody"]) == ("DELIVERED", 201, "made")
    assert third["responseHeaders"] == {"X-Done": ["yes"]}
    assert third["duration"] == 0
    assert "nextDeliveryTime" not in third


async def test_an_attempt_in_flight_has_a_request_and_no_answer_yet(broker: InProcess) -> None:
    broker.held = asyncio.Event()
    message = await broker.publish(URL)
    (only,) = await noticed(broker, message)
    assert (only["state"], only["headers"]["Upstash-Retried"]) == ("ACTIVE", ["0"])
    assert only.keys().isdisjoint({"responseStatus", "endedAt", "duration"})
    broker.held.set()


async def noticed(broker: InProcess, message: str) -> list[Any]:
    """Return the attempts of a message once there is one: what is in flight is written down after some milliseconds."""
    async with asyncio.timeout(10):
        while not (found := (await attempts_of(broker, message))["attempts"]):
            await asyncio.sleep(0.005)
    return list(found)


async def test_a_step_is_told_with_the_list_that_its_endpoint_was_sent(broker: InProcess) -> None:
    broker.respond = lambda _: Outcome(500, [], b"no")
    run = (await broker.call("POST", "/v2/trigger/http://shop.example/w", b'{"a": 1}', upstash_retries="1")).json
    await broker.turn(3_600_000)
    message = dict(broker.sent[0].headers)["Upstash-Message-Id"]
    told = await attempts_of(broker, message)
    assert told["workflowRunId"] == run["workflowRunId"]
    assert told["body"].encode() == broker.sent[1].body
    assert [one["headers"]["Upstash-Retried"] for one in told["attempts"]] == [["0"], ["1"]]
    assert told["attempts"][0]["headers"]["Upstash-Workflow-RunId"] == [run["workflowRunId"]]


async def test_what_was_published_as_not_to_be_shown_is_not_shown_here_either(broker: InProcess) -> None:
    message = await broker.publish(
        URL,
        b"card 4111",
        upstash_forward_authorization="Bearer secret",
        upstash_redact_fields="body, header[Authorization]",
    )
    await broker.settle()
    answer = await broker.call("GET", f"/v2/messages/{message}/attempts")
    assert answer.json["body"].startswith("REDACTED:")
    assert answer.json["attempts"][0]["headers"]["Authorization"][0].startswith("REDACTED:")
    assert "responseBody" not in answer.json["attempts"][0]
    assert "4111" not in answer.text
    assert "secret" not in answer.text


async def test_bodies_are_cut_where_that_is_asked_for(broker: InProcess) -> None:
    broker.respond = lambda _: Outcome(200, [], "größer".encode())
    message = await broker.publish(URL, "zwölf".encode())
    await broker.settle()
    told = await attempts_of(broker, message, "?trimBody=3&trimResponseBody=3")
    assert (told["body"], told["bodyBytes"], told["attempts"][0]["responseBody"]) == ("zw", 6, "gr")
    none = await attempts_of(broker, message, "?trimBody=-1&trimResponseBody=-1")
    assert ("body" in none, "responseBody" in none["attempts"][0]) == (False, False)
    assert (await broker.call("GET", f"/v2/messages/{message}/attempts?trimBody=much")).status == 400


@pytest.mark.parametrize(("most", "kept"), [(4, "0123"), (0, None)])
async def test_of_a_success_the_beginning_is_kept_or_nothing(most: int, kept: str | None) -> None:
    async with inprocess(MemoryStore(), limits=Limits(answer_bytes=most)) as broker:
        broker.respond = lambda _: Outcome(200, [("X-A", "1")], b"0123456789")
        message = await broker.publish(URL)
        await broker.settle()
        (only,) = (await attempts_of(broker, message))["attempts"]
        assert only.get("responseBody") == kept
        assert ("responseHeaders" in only) is bool(most)


async def test_another_account_and_an_unknown_id_are_told_nothing(broker: InProcess) -> None:
    message = await broker.publish(URL)
    assert (await broker.call("GET", f"/v2/messages/{message}/attempts", token=OTHER)).status == 404
    assert (await broker.call("GET", "/v2/messages/msg_x/attempts")).status == 404


@pytest.mark.parametrize(
    ("states", "pending", "expected"),
    [
        ("ACTIVE", True, [("ACTIVE", 0)]),
        ("ACTIVE", False, [("LOST", 0)]),
        ("ACTIVE ACTIVE DELIVERED", False, [("LOST", 0), ("DELIVERED", 0)]),
        ("ERROR RETRY ACTIVE", True, [("ERROR", 0), ("ACTIVE", 1)]),
        ("ACTIVE ERROR RETRY ACTIVE ERROR FAILED", False, [("ERROR", 0), ("ERROR", 1)]),
        ("CREATED CANCELED", False, []),
    ],
)
def test_attempts_are_told_from_the_history(states: str, pending: bool, expected: list[tuple[str, int]]) -> None:
    names: list[State] = states.split()  # type: ignore[assignment]
    events = [Event(pos, "one", 1, state, at=pos) for pos, state in enumerate(names)]
    assert [(one.state, one.retried) for one in attempts(events, pending=pending)] == expected
