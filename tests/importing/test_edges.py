"""Jobs that cannot go, brokers that cannot take, imports that meet: said plainly, and nothing is lost."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
import redis

from ringback.client import Broker, Transport, management
from ringback.errors import Refused
from ringback.importing.bullmq.post import NothingAccepted
from ringback.importing.bullmq.redis_ledger import LedgerBusy
from support.bullmq import BullMQ, Desk
from support.endpoint import Answer, Endpoint, Received, listening
from support.redis import RedisServer


@pytest.fixture
def bullmq(redis_server: RedisServer) -> BullMQ:
    return BullMQ("bullmq581", redis_server.port)


def test_a_job_the_broker_refuses_is_put_back_and_the_others_go(
    bullmq: BullMQ, store: "redis.Redis", desk: Desk, endpoint: Endpoint
) -> None:
    bullmq.do(
        desk.queue,
        ["add", "small", {"n": 1}, {}],
        ["add", "large", {"n": "x" * 11_000_000}, {}],
        ["add", "small", {"n": 2}, {}],
    )
    account = desk.an_import(into=f"{desk.queue}-line", parallelism=1).carry_out()
    assert account.problems == []
    assert (account.moved, account.stayed) == (2, 1)
    assert [json.loads(one.body)["n"] for one in endpoint.wait_for(2)] == [1, 2]
    (left,) = store.lrange(f"bull:{desk.queue}:paused", 0, -1)
    (row,) = [json.loads(text) for text in store.hvals(f"bull:{desk.queue}:ringback:ledger") if "returned" in text]
    assert row["id"] == left
    assert "quota maxMessageSize exceeded" in row["reason"]


def test_a_broker_that_refuses_everything_stops_the_import_and_keeps_every_job(
    bullmq: BullMQ, store: "redis.Redis", desk: Desk
) -> None:
    bullmq.do(desk.queue, ["addMany", 30, "job", {}])
    with pytest.raises(NothingAccepted, match="first 20 jobs"):
        desk.an_import(destination="no-such-group").carry_out()
    done = desk.an_import().roll_back()
    assert done.back == 30
    assert store.lrange(f"bull:{desk.queue}:wait", 0, -1) == [str(number) for number in range(30, 0, -1)]


def test_a_wrong_token_stops_it_before_anything_is_touched(
    bullmq: BullMQ, store: "redis.Redis", desk: Desk, transport: Transport
) -> None:
    bullmq.do(desk.queue, ["add", "job", {}, {}])
    desk.transport = Transport(Broker(transport.broker.url, "wrong"))
    with pytest.raises(Refused, match="invalid token"):
        desk.an_import().suit()
    desk.transport.close()
    assert store.lrange(f"bull:{desk.queue}:wait", 0, -1) == ["1"]


def test_without_a_way_into_the_dead_letters_failed_jobs_are_parked(
    bullmq: BullMQ, desk: Desk, transport: Transport, endpoint: Endpoint
) -> None:
    """A broker that knows no `POST /v2/dlq`, as the hosted service: a proxy before ours that answers 405 to it."""
    bullmq.do(desk.queue, ["add", "job", {"n": 1}, {}], ["fail", 1, "no"])
    with without_letters(transport) as other:
        desk.transport = other
        an_import = desk.an_import()
        assert f"{desk.queue}-parked" in (an_import.suit() or "")
        account = an_import.carry_out()
    assert account.problems == []
    assert [(line.state, line.parked) for line in account.lines] == [("failed", 1)]
    queue = transport.send(management.queue(f"{desk.queue}-parked"))
    assert (queue["paused"], queue["lag"]) == (True, 1)
    assert endpoint.received == []
    transport.send(management.resume_queue(f"{desk.queue}-parked"))
    assert json.loads(endpoint.wait_for(1)[0].body) == {"n": 1}


@contextmanager
def without_letters(transport: Transport) -> Iterator[Transport]:
    """Reach the broker through a proxy that knows no `POST /v2/dlq`."""

    def respond(request: Received) -> Answer:
        if (request.method, request.path) == ("POST", "/v2/dlq"):
            return Answer(405, b'{"error": "method POST is not allowed here"}')
        kept = {name: value for name, value in request.headers.items() if name not in ("host", "content-length")}
        answer = httpx.request(request.method, transport.broker.url + request.path, content=request.body, headers=kept)
        return Answer(answer.status_code, answer.content)

    with listening(respond) as listener:
        other = Transport(Broker(listener.url, transport.broker.token))
        yield other
        other.close()


def test_what_has_run_at_the_broker_stays_there_on_a_rollback(
    bullmq: BullMQ, store: "redis.Redis", desk: Desk, transport: Transport, endpoint: Endpoint
) -> None:
    bullmq.do(desk.queue, ["add", "job", {"n": "now"}, {}], ["add", "job", {"n": "later"}, {"delay": 3_600_000}])
    desk.an_import().carry_out()
    endpoint.wait_for(1)
    done = desk.an_import().roll_back()
    assert (done.back, done.ran, done.busy) == (1, 1, [])
    assert store.zcard(f"bull:{desk.queue}:delayed") == 1
    assert not store.hexists(f"bull:{desk.queue}:meta", "paused"), "the queue goes on"


def test_after_a_rollback_the_same_jobs_can_come_over_again(
    bullmq: BullMQ, store: "redis.Redis", desk: Desk, transport: Transport, endpoint: Endpoint
) -> None:
    """The broker still knows the deduplication ids of the first time; those of the second are others."""
    transport.send(management.set_queue(f"{desk.queue}-held", paused=True))
    bullmq.do(desk.queue, ["add", "job", {"n": "again"}, {}])
    assert desk.an_import(into=f"{desk.queue}-held").carry_out().problems == []
    assert desk.an_import().roll_back().back == 1
    assert desk.an_import().carry_out().problems == []
    assert json.loads(endpoint.wait_for(1)[0].body) == {"n": "again"}


def test_an_import_refuses_to_go_on_in_the_middle_of_a_rollback(
    bullmq: BullMQ, store: "redis.Redis", desk: Desk
) -> None:
    bullmq.do(desk.queue, ["add", "job", {}, {}])
    store.hset(f"bull:{desk.queue}:ringback:import", mapping={"phase": "returning", "token": "t"})
    with pytest.raises(LedgerBusy, match="rollback"):
        desk.an_import().carry_out()


def test_a_flow_stays_whole(bullmq: BullMQ, store: "redis.Redis", desk: Desk) -> None:
    children = [{"name": "child", "queueName": desk.queue, "data": {}} for _ in range(2)]
    bullmq.do(desk.queue, ["flow", {"name": "parent", "queueName": desk.queue, "children": children}])
    an_import = desk.an_import()
    seen = an_import.look()
    assert (seen.found.total(), seen.stays["waiting"], seen.families) == (2, 2, 1)
    assert all("child of the flow" in reason for reason in seen.reasons)
    account = an_import.carry_out()
    assert (account.moved, account.stayed, account.problems) == (0, 2, [])


def test_the_envelope_has_what_the_worker_saw(bullmq: BullMQ, desk: Desk, endpoint: Endpoint) -> None:
    bullmq.do(desk.queue, ["add", "render", {"n": 1}, {"attempts": 2, "jobId": "click-1"}])
    desk.an_import(envelope=True, headers={"Upstash-Forward-X-Shop": "7"}).carry_out()
    (request,) = endpoint.wait_for(1)
    body = json.loads(request.body)
    assert (body["id"], body["name"], body["data"], body["opts"]["attempts"]) == ("click-1", "render", {"n": 1}, 2)
    assert request.headers["x-shop"] == "7"


def test_schedules_are_not_made_twice_nor_their_due_run_lost(
    bullmq: BullMQ, store: "redis.Redis", desk: Desk, transport: Transport, endpoint: Endpoint
) -> None:
    """A next run whose time has come without a worker goes over as a job; the schedule goes on from its next one."""
    template = {"name": "tick", "data": {"n": "tick"}}
    bullmq.do(desk.queue, ["upsert", "nightly", {"pattern": "0 3 * * *", "tz": "UTC"}, template])
    base = f"bull:{desk.queue}:"
    (pending,) = store.zrange(f"{base}delayed", 0, -1)
    store.zadd(f"{base}delayed", {pending: 1_600_000_000_000 * 4096})
    account = desk.an_import().carry_out()
    assert (account.moved, account.problems) == (2, [])
    assert json.loads(endpoint.wait_for(1)[0].body) == {"n": "tick"}
    assert [one["body"] for one in transport.send(management.schedules()) if desk.queue in one["scheduleId"]] == [
        '{"n":"tick"}'
    ]


def test_bodies_arrive_byte_for_byte(bullmq: BullMQ, store: "redis.Redis", desk: Desk, endpoint: Endpoint) -> None:
    bullmq.do(desk.queue, ["add", "job", {"text": "Grüße 🎬 \u2028", "big": 12345678901234567890}, {}])
    stored = store.hget(f"bull:{desk.queue}:1", "data")
    desk.an_import().carry_out()
    assert endpoint.wait_for(1)[0].body.decode() == stored
