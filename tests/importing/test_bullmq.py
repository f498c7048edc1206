"""Every version's jobs go over: each state, in order, once, with what they still have before them."""

import base64
import json
from typing import Any

import pytest
import redis

from ringback.client import Transport, management
from ringback.clock import now
from ringback.importing.bullmq.moving import Patience
from support.bullmq import VERSIONS, BullMQ, Desk
from support.endpoint import Endpoint, eventually
from support.redis import RedisServer


@pytest.fixture(params=VERSIONS)
def bullmq(request: pytest.FixtureRequest, redis_server: RedisServer) -> BullMQ:
    return BullMQ(request.param, redis_server.port)


def fill(bullmq: BullMQ, store: "redis.Redis", queue: str) -> None:
    """Write a queue that has a job in every state."""
    bullmq.do(
        queue,
        ["add", "render", {"n": "failed"}, {"attempts": 1}],
        ["fail", 1, "the provider said no"],
        ["add", "render", {"n": "retrying"}, {"attempts": 4, "backoff": {"type": "exponential", "delay": 3_600_000}}],
        ["fail", 1, "try again"],
        ["add", "render", {"n": "stalled"}, {"attempts": 3}],
        ["take", 1],
        ["add", "render", {"n": 1}, {"attempts": 5, "backoff": {"type": "fixed", "delay": 2000}}],
        ["add", "render", {"n": 2}, {}],
        ["add", "render", {"n": "later"}, {"delay": 3_600_000, "attempts": 2}],
        ["add", "render", {"n": "third"}, {"priority": 3}],
        ["add", "render", {"n": "first"}, {"priority": 1}],
    )
    (lock,) = store.keys(f"bull:{queue}:*:lock")
    store.delete(lock)


def job_of(body: str, name: str = "n") -> str:
    return str(json.loads(body)[name])


def created(transport: Transport, label: str) -> dict[str, dict[str, Any]]:
    """Return the messages of an import by the job they were, in the order of their publishing."""
    found = transport.send(management.events({"label": label, "state": "CREATED"}, count=1000)).items
    return {job_of(base64.b64decode(one["body"]).decode()): one for one in reversed(found)}


def test_each_state_goes_where_it_belongs(
    bullmq: BullMQ, store: "redis.Redis", desk: Desk, transport: Transport, endpoint: Endpoint
) -> None:
    fill(bullmq, store, desk.queue)
    an_import = desk.an_import()
    before = an_import.look()
    assert dict(before.found) == {
        "waiting": 2, "prioritised": 2, "delayed": 1, "retrying": 1, "stalled": 1, "failed": 1,
    }  # fmt: skip
    account = an_import.carry_out()

    assert account.problems == []
    assert (account.found, account.moved, account.stayed, account.taken) == (8, 8, 0, 0)
    token = store.hget(f"bull:{desk.queue}:ringback:import", "token")
    messages = created(transport, f"import-{token}")
    first = ["first", "third", "1", "2"] if bullmq.version in ("bullmq1", "bullmq3") else ["1", "2", "first", "third"]
    assert list(messages)[:4] == first, "the order in which workers would have taken them"
    assert set(messages) == {"1", "2", "third", "first", "later", "retrying", "stalled", "failed"}
    assert messages["1"]["maxRetries"] == 4
    assert messages["1"]["retryDelayExpression"] == "2000"
    assert messages["2"]["maxRetries"] == 0
    assert messages["retrying"]["maxRetries"] == 2
    assert messages["retrying"]["retryDelayExpression"] == "min(86400000, 3600000 * pow(2, 1 + retried))"
    hour = messages["later"]["nextDeliveryTime"] - now()
    assert 3_500_000 < hour < 3_601_000
    assert messages["retrying"]["nextDeliveryTime"] - now() > 3_500_000
    assert {job_of(one.body.decode()) for one in endpoint.wait_for(4)} == {"1", "2", "first", "third"}
    buried = transport.send(management.dead_letters({"label": f"import-{token}"})).items
    letters = {job_of(one["body"]): one for one in buried}
    assert letters["failed"]["responseBody"].startswith("the provider said no")
    assert letters["stalled"]["responseBody"].startswith("its worker vanished")
    assert an_import.look().found.total() == 0


def test_jobs_tell_the_endpoint_what_they_were(
    bullmq: BullMQ, store: "redis.Redis", desk: Desk, endpoint: Endpoint
) -> None:
    bullmq.do(desk.queue, ["add", "größer", {"photo": "ä.jpg"}, {"jobId": "click-7"}])
    desk.an_import(destination=f"{endpoint.url}/jobs/{{queue}}/{{name}}").carry_out()
    (request,) = endpoint.wait_for(1)
    assert request.path == f"/jobs/{desk.queue}/gr%C3%B6%C3%9Fer"
    assert json.loads(request.body) == {"photo": "ä.jpg"}
    assert request.headers["bullmq-job-id"] == "click-7"
    assert request.headers["bullmq-job-name"] == "gr%C3%B6%C3%9Fer"


def give_tickets(store: "redis.Redis", count: int) -> None:
    """Let the workers end so many jobs more."""
    store.rpush("tickets", *range(count))


def test_live_workers_and_the_import_share_the_queue_without_a_loss_or_a_double(
    bullmq: BullMQ, store: "redis.Redis", desk: Desk, endpoint: Endpoint
) -> None:
    """The workers get tickets for half as many jobs as the import has taken, so that neither can have them all."""
    jobs = 900
    bullmq.do(desk.queue, ["addMany", jobs, "render", {}])
    give_tickets(store, 20)

    def watch(step: str, count: int) -> None:
        if step == "claimed":
            give_tickets(store, count // 2 + 1)
            eventually(lambda: store.llen("processed") > 20)

    with bullmq.working(desk.queue):
        eventually(lambda: store.llen("processed") == 20)
        an_import = desk.an_import(pause=False)
        an_import.watch = watch
        account = an_import.carry_out()
        assert account.moved > 20
        give_tickets(store, jobs)
        eventually(lambda: store.llen("processed") + account.moved == jobs)
    assert account.problems == []
    worked = [int(job_id) - 1 for job_id in store.lrange("processed", 0, -1)]
    delivered = [int(job_of(one.body.decode(), "number")) for one in endpoint.wait_for(account.moved)]
    assert sorted(worked + delivered) == list(range(jobs))


def test_a_paused_queue_lets_its_workers_finish_and_moves_the_rest_in_order(
    bullmq: BullMQ, store: "redis.Redis", desk: Desk, endpoint: Endpoint
) -> None:
    jobs, held, base = 80, 8, f"bull:{desk.queue}:"
    bullmq.do(desk.queue, ["addMany", jobs, "render", {}])
    give_tickets(store, 20)

    def watch(step: str, _: int) -> None:
        if step == "running" and not store.llen("tickets"):
            give_tickets(store, held)

    with bullmq.working(desk.queue):
        eventually(lambda: store.zcard(f"{base}completed") == 20 and store.llen(f"{base}active") == held)
        an_import = desk.an_import(into=f"{desk.queue}-in-order", parallelism=1)
        an_import.watch, an_import.patience = watch, Patience(running=60, stalled=0.2)
        account = an_import.carry_out()
    assert account.problems == []
    assert (account.moved, account.stayed, account.taken) == (jobs - 20 - held, 0, 0)
    worked = [int(job_id) - 1 for job_id in store.lrange("processed", 0, -1)]
    delivered = [int(job_of(one.body.decode(), "number")) for one in endpoint.wait_for(account.moved)]
    assert sorted(worked + delivered) == list(range(jobs))
    assert delivered == sorted(delivered), "one at a time, first in, first out"


def test_schedules_of_all_generations_come_over_with_their_next_run(
    bullmq: BullMQ, store: "redis.Redis", desk: Desk, transport: Transport, endpoint: Endpoint
) -> None:
    def legacy(name: str, repeat: dict[str, Any], attempts: int) -> list[Any]:
        return ["add", name, {"n": name}, {"repeat": repeat, "attempts": attempts}]

    pattern = "cron" if bullmq.version == "bullmq1" else "pattern"
    if bullmq.version != "bullmq6":
        bullmq.do(
            desk.queue,
            legacy("nightly", {pattern: "0 3 * * *", "tz": "Europe/Paris"}, 4),
            legacy("seconds", {pattern: "*/10 * * * * *"}, 1),
            legacy("often", {"every": 300_000}, 1),
            legacy("odd", {"every": 420_000}, 1),
        )
    if bullmq.version in ("bullmq581", "bullmq6"):
        template = {"name": "cleanup", "data": {"n": "cleanup"}, "opts": {"attempts": 2}}
        bullmq.do(
            desk.queue,
            ["upsert", "weekly cleanup", {"pattern": "30 4 * * 1", "tz": "America/New_York"}, template],
            ["upsert", "limited", {"pattern": "0 5 * * *", "limit": 3}, template],
        )
    expected = {
        "nightly": ("CRON_TZ=Europe/Paris 0 3 * * *", 3),
        "often": ("*/5 * * * *", 0),
        "cleanup": ("CRON_TZ=America/New_York 30 4 * * 1", 1),
    }
    if bullmq.version == "bullmq6":
        expected = {"cleanup": expected["cleanup"]}
    elif bullmq.version != "bullmq581":
        del expected["cleanup"]

    account = desk.an_import().carry_out()

    assert account.problems == []
    made = [one for one in transport.send(management.schedules()) if one["scheduleId"].startswith(f"{desk.queue}-")]
    assert {job_of(one["body"]): (one["cron"], one["retries"]) for one in made} == expected
    assert {one["destination"] for one in made} == {desk.url}
    base = f"bull:{desk.queue}:"
    staying = set(store.zrange(f"{base}repeat", 0, -1))
    left = [job_id for job_id in store.zrange(f"{base}delayed", 0, -1) if job_id.startswith("repeat:")]
    assert len(left) == len(staying) == account.stayed, "a schedule that stays keeps its next run"
    assert endpoint.received == []

    assert desk.an_import().roll_back().back == len(expected)
    assert len(store.zrange(f"{base}delayed", 0, -1)) == len(store.zrange(f"{base}repeat", 0, -1)) == account.found
    assert not [one for one in transport.send(management.schedules()) if one["scheduleId"].startswith(f"{desk.queue}-")]
