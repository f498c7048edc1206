"""The official JavaScript client, unmodified."""

import os

import pytest

from support.endpoint import Endpoint
from support.node import require_clients, run_script
from support.process import BrokerProcess

pytestmark = pytest.mark.node


@pytest.fixture(autouse=True)
def _clients() -> None:
    require_clients()


def test_every_method_gets_what_it_needs(broker: BrokerProcess, endpoint: Endpoint) -> None:
    out = run_script("qstash.mjs", {"QSTASH_URL": broker.url, "QSTASH_TOKEN": broker.token, "ENDPOINT": endpoint.url})
    assert out["publish"]["messageId"].startswith("msg_")
    assert out["delivered"] == ["DELIVERED", "ACTIVE", "CREATED"]
    assert out["byLabel"] == 3
    message = out["message"]
    assert message["header"] == {"Content-Type": ["text/plain;charset=UTF-8"], "Bypass-Tunnel-Reminder": ["1"]}
    assert (message["body"], message["parallelism"], message["rate"], message["period"]) == ("x", 2, 3, 1)
    assert out["canceled"] == {"cancelled": 1}
    assert out["canceledMany"] == {"cancelled": 2}
    assert out["canceledByFilter"]["cancelled"] == 1
    assert out["canceledAgain"]["cancelled"] == 0
    assert len(out["batch"]) == 2
    assert set(out["queue"]) == {"name", "createdAt", "updatedAt", "parallelism", "paused", "lag"}
    assert out["queue"]["parallelism"] == 2
    assert (out["paused"], out["queues"]) == (True, True)
    schedule = out["schedule"]
    assert (schedule["cron"], schedule["retries"], schedule["delay"], schedule["body"]) == ("0 5 1 1 *", 2, 10, "tick")
    assert schedule["header"] == {"Content-Type": ["application/json"]}
    assert (out["schedulePaused"], out["scheduleGone"]["status"]) == (True, 404)
    assert [one.get("name") for one in out["group"]["endpoints"]] == ["one", None]
    assert [one["url"] for one in out["groupPublish"]] == [f"{endpoint.url}/g1", f"{endpoint.url}/g2"]
    assert out["groups"] == 1
    assert out["failing"]
    assert (out["letter"]["responseStatus"], out["letter"]["responseBody"]) == (500, "boom")
    assert len(out["retried"]["responses"]) == 1
    assert out["deleteGone"]["status"] == 404
    assert out["deleteMany"]["deleted"] == 1
    assert out["deleteByFilter"]["deleted"] == 1
    flow = out["flow"]
    assert (flow["parallelismMax"], flow["rateMax"], flow["ratePeriod"], flow["isPaused"]) == (4, 9, 30, True)
    assert all(isinstance(flow[name], int) for name in ("waitListSize", "parallelismCount", "rateCount"))
    assert out["global"]["parallelismMax"] > 0
    assert "endpoint has invalid scheme" in out["badUrl"]["message"]
    assert out["unknownFilter"]["status"] == 400


def test_the_official_receiver_accepts_our_signatures(broker: BrokerProcess, endpoint: Endpoint) -> None:
    run_script("qstash.mjs", {"QSTASH_URL": broker.url, "QSTASH_TOKEN": broker.token, "ENDPOINT": endpoint.url})
    (got, *_) = [one for one in endpoint.received if one.path == "/js"]
    out = run_script(
        "qstash.mjs",
        {
            "QSTASH_URL": broker.url,
            "QSTASH_TOKEN": broker.token,
            "ENDPOINT": endpoint.url,
            "CURRENT": broker.current_key,
            "NEXT": broker.next_key,
            "SIGNATURE": got.headers["upstash-signature"],
            "BODY": got.body.decode(),
            "SIGNED_URL": f"{endpoint.url}/js",
        },
    )
    assert out["verified"] is True


def test_dev_mode_finds_our_development_broker(broker: BrokerProcess, endpoint: Endpoint) -> None:
    port = broker.url.rpartition(":")[2]
    environment = {"QSTASH_DEV": "true", "QSTASH_DEV_PORT": port, "ENDPOINT": endpoint.url}
    assert "QSTASH_TOKEN" not in os.environ
    assert run_script("qstash.mjs", environment)["publish"]["messageId"].startswith("msg_")
