"""An account comes over: what another broker shows of it, ours has afterwards."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from ringback.client import Broker, Transport, management
from ringback.importing.qstash.copying import Copier
from support.process import BrokerProcess, running

FLEETING = ("createdAt", "updatedAt", "nextScheduleTime", "callerIP", "callerIp", "ratePeriodStart")


@pytest.fixture
def target_broker() -> Iterator[BrokerProcess]:
    with running() as process:
        yield process


@pytest.fixture
def source_broker() -> Iterator[BrokerProcess]:
    with running() as process:
        yield process


@pytest.fixture
def source(source_broker: BrokerProcess) -> Iterator[Transport]:
    transport = Transport(Broker(source_broker.url, source_broker.token))
    fill(transport)
    yield transport
    transport.close()


@pytest.fixture
def target(target_broker: BrokerProcess) -> Iterator[Transport]:
    transport = Transport(Broker(target_broker.url, target_broker.token))
    yield transport
    transport.close()


def fill(source: Transport) -> None:
    endpoints = [{"name": "a", "url": "https://a.example/hook"}, {"url": "https://b.example/hook"}]
    source.send(management.add_endpoints("orders", endpoints))
    source.send(management.set_queue("mails", parallelism=4))
    source.send(management.set_queue("held", parallelism=1, paused=True))
    source.send(management.pin_flow("google veo/1", parallelism=3, rate=10, period=60))
    source.send(management.pause_flow("replicate"))
    everything = {
        "Upstash-Schedule-Id": "nightly",
        "Upstash-Method": "PUT",
        "Upstash-Retries": "5",
        "Upstash-Retry-Delay": "1000 * (1 + retried)",
        "Upstash-Delay": "30s",
        "Upstash-Timeout": "2m",
        "Upstash-Queue-Name": "mails",
        "Upstash-Label": "night,clean",
        "Upstash-Callback": "https://c.example/done",
        "Upstash-Callback-Forward-X-Of": "clean",
        "Upstash-Failure-Callback": "https://c.example/failed",
        "Upstash-Flow-Control-Key": "night",
        "Upstash-Flow-Control-Value": "parallelism=2, rate=5, period=10s",
        "Upstash-Forward-X-Shop": "7",
        "Content-Type": "application/json",
    }
    source.send(
        management.set_schedule("https://a.example/clean", "CRON_TZ=Europe/Paris 0 3 * * *", b'{"all":1}', everything)
    )
    source.send(management.set_schedule("orders", "*/5 * * * *", b"\xff\x00", {"Upstash-Schedule-Id": "often"}))
    source.send(management.pause_schedule("often"))
    hidden = {"Upstash-Schedule-Id": "secret", "Upstash-Redact-Fields": "body"}
    source.send(management.set_schedule("https://a.example/x", "0 0 * * *", b"secret", hidden))


def shown(transport: Transport) -> dict[str, Any]:
    """Return what an account has, without what no copy can have."""
    lists = {
        "groups": transport.send(management.url_groups()),
        "queues": transport.send(management.queues()),
        "flows": [one for one in transport.send(management.flow_keys()) if one["flowControlKey"] != "night"],
        "schedules": [one for one in transport.send(management.schedules()) if one["scheduleId"] != "secret"],
    }
    return {
        kind: [{k: v for k, v in one.items() if k not in FLEETING} for one in found] for kind, found in lists.items()
    }


def test_everything_the_source_shows_is_there_afterwards(source: Transport, target: Transport) -> None:
    before = shown(source)
    copier = Copier(source, target)
    plan = copier.plan()
    assert {piece.name: piece.stays[:24] for piece in plan if piece.stays} == {"secret": "the source hides its bod"}
    assert copier.carry_out(plan, take_over=True) == []
    after = shown(target)
    nightly = next(one for one in after["schedules"] if one["scheduleId"] == "nightly")
    assert nightly["labels"].pop() == "import-taken-over"
    assert after == before
    at_the_source = {one["scheduleId"]: one["isPaused"] for one in source.send(management.schedules())}
    assert at_the_source == {"nightly": True, "often": True, "secret": False}


def test_without_taking_over_schedules_stand_still_here_and_run_there(source: Transport, target: Transport) -> None:
    copier = Copier(source, target)
    copier.carry_out(copier.plan(), take_over=False)
    assert all(one["isPaused"] for one in target.send(management.schedules()))
    assert not source.send(management.schedule("nightly"))["isPaused"]


class Cut(Exception):
    """The import is cut off."""


@pytest.mark.parametrize("after", [1, 5, 7, 8, 9, 10, 11])
def test_cut_off_after_any_call_and_run_again_it_is_complete(source: Transport, target: Transport, after: int) -> None:
    before = shown(source)
    left = iter(range(after))

    def cut(transport: Transport) -> Transport:
        send = transport.send

        def counted(call: Any) -> Any:
            if call.method != "GET" and next(left, None) is None:
                raise Cut
            return send(call)

        transport.send = counted  # type: ignore[method-assign]
        return transport

    with closing(cut(Transport(source.broker))) as cut_source, closing(cut(Transport(target.broker))) as cut_target:
        copier = Copier(cut_source, cut_target)
        with pytest.raises(Cut):
            copier.carry_out(copier.plan(), take_over=True)
    again = Copier(source, target)
    assert again.carry_out(again.plan(), take_over=True) == []
    after_all = shown(target)
    next(one for one in after_all["schedules"] if one["scheduleId"] == "nightly")["labels"].pop()
    assert after_all == before
    assert all(piece.standing == "same" for piece in again.plan() if not piece.stays)


def test_the_command_looks_first(
    source: Transport, source_broker: BrokerProcess, target: Transport, target_broker: BrokerProcess
) -> None:
    def ringback(*line: str) -> str:
        command = [sys.executable, "-m", "ringback", "import", "qstash", "--from", source_broker.url, *line]
        told = {"QSTASH_SOURCE_TOKEN": source_broker.token, "QSTASH_URL": target_broker.url}
        environment = {**os.environ, **told, "QSTASH_TOKEN": target_broker.token}
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True).stdout

    assert "Nothing was changed" in ringback()
    assert target.send(management.queues()) == []
    assert "8 found = 7 copied + 1 stayed + 0 refused" in ringback("--go")
    assert {one["name"] for one in target.send(management.queues())} == {"mails", "held"}
