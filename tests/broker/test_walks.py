"""Walking over dead letters page by page, and doing something about each: the walk ends, whatever fails again meanwhile."""

from typing import Any

import pytest
from msgspec.structs import replace

from ringback.broker.changes import Changes
from ringback.broker.ids import first_id_at
from ringback.broker.records import DeadLetter
from ringback.broker.stores.contract import Query, Transaction
from ringback.wire.http import Outcome
from support.inprocess import InProcess, answering
from support.runs import BOTH, begin

URL = "https://api.example.com/in"


async def walk(ringed: InProcess, path: str, listed: str) -> list[list[Any]]:
    """Call until there is no cursor, as the clients' documentation has it; return the pages."""
    pages, cursor = [], ""
    while cursor or not pages:
        ringed.at += 1000
        answer = (await ringed.call("POST", f"{path}?count=2{f'&cursor={cursor}' if cursor else ''}")).json
        pages.append(answer[listed])
        cursor = answer["cursor"]
        await ringed.broker.dispatcher.idle()
        assert len(pages) < 10, "the walk has no end"
    return pages


async def test_messages_that_fail_again_are_retried_once_a_walk(ringed: InProcess) -> None:
    ringed.respond = answering(500)
    for _ in range(5):
        await ringed.publish(URL, upstash_retries="0")
    await ringed.broker.dispatcher.idle()
    assert [len(page) for page in await walk(ringed, "/v2/dlq/retry", "responses")] == [2, 2, 1]
    assert len((await ringed.call("GET", "/v2/dlq")).json["messages"]) == 5
    assert len(ringed.sent) == 10


async def test_what_a_broker_whose_clock_is_ahead_has_buried_is_retried_with_the_others(ringed: InProcess) -> None:
    ringed.respond = answering(500)
    for _ in range(3):
        await ringed.publish(URL, upstash_retries="0")
    await ringed.broker.dispatcher.idle()

    def from_elsewhere(tx: Transaction, _: object) -> None:
        letter = tx.find(DeadLetter, Query(limit=1))[0]
        tx.apply(Changes(put=[replace(letter, pos=first_id_at(ringed.at + 60_000))], drop=[letter]))

    await ringed.broker.desk.write(from_elsewhere)
    ringed.respond = answering(200)
    assert sum(len(page) for page in await walk(ringed, "/v2/dlq/retry", "responses")) == 3


@pytest.mark.parametrize("how", ["restart", "resume"])
async def test_runs_that_fail_again_are_begun_once_a_walk(ringed: InProcess, how: str) -> None:
    ringed.respond = lambda _: Outcome(500, list(BOTH), b"{}")
    for number in range(5):
        await begin(ringed, f"wfr_{number}", Upstash_Retries="0")
    assert [len(page) for page in await walk(ringed, f"/v2/workflows/dlq/{how}", "workflowRuns")] == [2, 2, 1]
    assert len((await ringed.call("GET", "/v2/workflows/dlq")).json["messages"]) == 5


async def test_a_list_goes_on_where_a_walk_has_come_to_and_what_is_no_cursor_is_refused(ringed: InProcess) -> None:
    ringed.respond = answering(500)
    for _ in range(3):
        await ringed.publish(URL, upstash_retries="0")
    await ringed.broker.dispatcher.idle()
    cursor = (await ringed.call("POST", "/v2/dlq/retry?count=1")).json["cursor"]
    assert (await ringed.call("GET", f"/v2/dlq?cursor={cursor}")).status == 200
    for bad in ("1-1~x", "x~1", "~", f"1-1~{'9' * 16}"):
        assert (await ringed.call("POST", f"/v2/dlq/retry?cursor={bad}")).status == 400
