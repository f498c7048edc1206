"""One thing that cannot be done holds up nothing else: what waits for its time is looked through together, for all accounts."""

import json
from typing import Any

import pytest
from msgspec import structs

from ringback.broker.changes import Changes
from ringback.broker.operations import due, one_by_one
from ringback.broker.records import Message, Schedule, Waiter
from ringback.broker.rules import runs
from ringback.broker.stores.contract import Query, Transaction
from support.inprocess import InProcess

URL = "https://shop.example/wf"
BAD_STEPS = [b"5", b"[1]", b'"x"', b"null", b'{"a":' + b"[" * 60_000 + b"]" * 60_000 + b"}"]


async def begin(ringed: InProcess) -> None:
    """Start a run, and publish something of others that comes in five seconds."""
    headers = {"Upstash-Workflow-Init": "true", "Upstash-Workflow-RunId": "wfr_1", "Upstash-Workflow-Url": URL}
    item = {"destination": URL, "headers": headers | {"Upstash-Delay": "1h"}, "body": "x"}
    assert (await ringed.call("POST", "/v2/batch", [item])).status == 200
    await ringed.publish("https://other.example/in", b"other", upstash_delay="5s")


async def wait_for(ringed: InProcess, step: bytes) -> Any:
    about = json.dumps({"url": URL, "timeout": "1s", "timeoutHeaders": {"Upstash-Workflow-Runid": ["wfr_1"]}})
    return await ringed.call("POST", "/v2/wait/event", about[:-1].encode() + b', "step": ' + step + b"}")


async def the_other_comes(ringed: InProcess) -> bool:
    await ringed.turn(6_000)
    return b"other" in [one.body for one in ringed.sent]


@pytest.mark.parametrize("step", BAD_STEPS)
async def test_a_step_that_could_not_be_completed_is_not_taken_in(ringed: InProcess, step: bytes) -> None:
    await begin(ringed)
    answer = await wait_for(ringed, step)
    assert (answer.status, "invalid" in answer.json["error"]) == (412, True)
    headers = {"Upstash-Workflow-Init": "true", "Upstash-Workflow-RunId": "wfr_2", "Upstash-Workflow-Invoke": "true"}
    body = b'{"workflowRunId": "wfr_1", "step": ' + step + b"}"
    answer = await ringed.call("POST", "/v2/batch", [{"destination": URL, "headers": headers, "body": body.decode()}])
    assert (answer.status, "invalid" in answer.json["error"]) == (412, True)
    assert await the_other_comes(ringed)


async def test_a_step_that_a_former_release_has_let_in_holds_up_nothing(ringed: InProcess) -> None:
    await begin(ringed)
    assert (await wait_for(ringed, b'{"stepId":1,"stepType":"Wait"}')).status == 200
    (waiter,) = await ringed.store.read(lambda tx: tx.find(Waiter, Query()))
    spoiled = Changes(put=[structs.replace(waiter, step=b"5")])
    await ringed.broker.desk.write(lambda tx, _: tx.apply(spoiled))
    assert await the_other_comes(ringed)
    assert await ringed.store.read(lambda tx: tx.find(Waiter, Query())) == []


async def test_a_wait_that_ends_in_a_run_with_as_many_steps_as_may_be_holds_up_nothing(
    ringed: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    await begin(ringed)
    assert (await wait_for(ringed, b'{"stepId":1,"stepType":"Wait"}')).status == 200
    monkeypatch.setattr(runs, "MOST_STEPS", 0)
    assert await the_other_comes(ringed)
    assert await ringed.store.read(lambda tx: tx.find(Waiter, Query())) == []


async def test_a_schedule_whose_time_zone_is_gone_says_so_and_holds_up_nothing(ringed: InProcess) -> None:
    await begin(ringed)
    await ringed.call("POST", "/v2/schedules/https://a.example/", upstash_cron="* * * * *", upstash_schedule_id="s")
    (schedule,) = await ringed.store.read(lambda tx: tx.find(Schedule, Query()))
    lost = Changes(put=[structs.replace(schedule, cron="TZ=Atlantis/Poseidonis * * * * *", wake_at=ringed.at + 1000)])
    await ringed.broker.desk.write(lambda tx, _: tx.apply(lost))
    assert await the_other_comes(ringed)
    assert "Atlantis" in (await ringed.call("GET", "/v2/schedules/s")).json["error"]


async def test_what_cannot_be_begun_whatever_the_fault_holds_up_nothing_and_is_tried_again(
    ringed: InProcess, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    faults, usual = [True], due.start

    def broken(tx: Transaction, message: Message, *rest: Any) -> None:
        if message.body == b"poison" and faults:
            raise RuntimeError("a bug")
        usual(tx, message, *rest)

    monkeypatch.setattr(due, "start", broken)
    poison = await ringed.publish("https://a.example/in", b"poison", upstash_delay="4s")
    await begin(ringed)
    assert await the_other_comes(ringed)
    assert "it is tried again in a minute" in caplog.text
    assert await ringed.events(poison) == ["CREATED"]
    faults.clear()
    await ringed.turn(one_by_one.PUT_OFF_MS)
    assert (await ringed.events(poison))[-1] == "DELIVERED"
