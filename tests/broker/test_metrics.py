"""The figures for monitoring add up, and every one that the dashboard and the alerts ask for exists."""

import asyncio
import json
import re
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from ringback.broker.engine import dispatcher
from ringback.cli.setting_list import SETTINGS
from support.inprocess import READ_ONLY, InProcess, answering, inprocess, until

URL = "https://api.example.com/in"
DEPLOY = Path(__file__).parents[2] / "deploy"


async def figures(ringed: InProcess) -> dict[str, float]:
    answer = await ringed.call("GET", "/metrics", token=READ_ONLY)
    assert answer.status == 200
    return {
        sample.name + "".join(f"/{value}" for value in sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


async def test_messages_attempts_and_backlog_are_counted(ringed: InProcess) -> None:
    await ringed.publish(URL)
    await ringed.settle()
    ringed.respond = answering(500)
    await ringed.publish(URL, upstash_retries="0")
    await ringed.publish(URL, upstash_delay="1h")
    await ringed.enqueue("q", URL)
    await ringed.settle()
    told = await figures(ringed)
    assert told["ringback_events_total/CREATED"] == 4
    assert told["ringback_events_total/DELIVERED"] == 1
    assert told["ringback_events_total/FAILED"] == 1
    assert told["ringback_attempts_total/2xx"] == 1
    assert told["ringback_attempts_total/5xx"] == told["ringback_events_total/ERROR"]
    assert told["ringback_attempt_seconds_count"] == told["ringback_events_total/ACTIVE"]
    assert told["ringback_messages_later"] == 2
    assert told["ringback_oldest_due_seconds"] == 0


async def test_attempts_that_take_minutes_are_counted_with_their_time(
    ringed: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher, "_NOTICE_AFTER", 0.0)
    ringed.held = asyncio.Event()
    await ringed.publish(URL)
    await until(lambda: ringed.broker.metrics.events["ACTIVE"] == 1)
    ringed.at += 100_000
    ringed.held.set()
    await ringed.broker.dispatcher.idle()
    told = await figures(ringed)
    assert (told["ringback_attempt_seconds_count"], told["ringback_attempt_seconds_sum"]) == (1, 100)
    assert told["ringback_events_total/ACTIVE"] == 1


async def test_what_this_node_holds_is_told_with_its_limits() -> None:
    async with inprocess(room=7, in_flight_bytes=5000) as ringed:
        ringed.held = asyncio.Event()
        for size in (1000, 2000):
            await ringed.publish(URL, b"x" * size)
        await ringed.settle()
        told = await figures(ringed)
        assert (told["ringback_attempts_held"], told["ringback_attempts_held_limit"]) == (2, 7)
        assert (told["ringback_bytes_held"], told["ringback_bytes_held_limit"]) == (3000, 5000)


async def test_without_a_token_nothing_is_told(ringed: InProcess) -> None:
    assert (await ringed.call("GET", "/metrics", token=None)).status == 401
    assert (await ringed.call("POST", "/metrics")).status == 405


async def test_dashboard_and_alerts_ask_for_figures_that_exist(ringed: InProcess) -> None:
    await ringed.publish(URL)
    await ringed.settle()
    known = {name.partition("/")[0] for name in await figures(ringed)}
    asked = (DEPLOY / "grafana" / "ringback.json").read_text() + (
        DEPLOY / "prometheus" / "ringback-alerts.yaml"
    ).read_text()
    names = set(re.findall(r"\b(?:ringback|process)_[a-z_]+\b", asked))
    assert names <= known, names - known
    assert json.loads((DEPLOY / "grafana" / "ringback.json").read_text())["panels"]


def test_an_alert_that_wakes_somebody_says_what_to_do() -> None:
    (group,) = yaml.safe_load((DEPLOY / "prometheus" / "ringback-alerts.yaml").read_text())["groups"]
    waking = {one["alert"]: one for one in group["rules"] if one["labels"]["severity"] == "critical"}
    assert set(waking) == {"RingbackDown", "RingbackBehind"}
    for alert in waking.values():
        named = set(re.findall(r"\b(?:RINGBACK|QSTASH)_[A-Z_]+\b", alert["annotations"]["description"]))
        assert named
        assert named <= {setting.name for setting in SETTINGS}


async def test_ready_means_that_the_store_takes_jobs(ringed: InProcess) -> None:
    assert (await ringed.call("GET", "/readyz", token=None)).status == 200
