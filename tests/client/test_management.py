"""Every management call is understood by a real broker, and its answer is read."""

from collections.abc import Iterator
from typing import TypeVar

import pytest

from ringback.client import Broker, Transport
from ringback.client import management as manage
from ringback.client.calls import Call
from ringback.errors import Refused
from support.endpoint import Answer, Endpoint, Received, eventually, listening
from support.process import running

T = TypeVar("T")
LATER = {"Upstash-Delay": "1h"}


class Manager:
    """Sends calls to one broker, and has an endpoint to deliver to."""

    def __init__(self, transport: Transport, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._transport = transport

    def __call__(self, call: Call[T]) -> T:
        return self._transport.send(call)


@pytest.fixture(scope="module")
def send() -> Iterator[Manager]:
    def respond(request: Received) -> Answer:
        return Answer(500, b"boom") if request.path == "/fail" else Answer()

    with running() as broker, listening(respond) as endpoint:
        transport = Transport(Broker(broker.url, broker.token))
        yield Manager(transport, endpoint)
        transport.close()


def test_messages_are_published_looked_at_and_canceled(send: Manager) -> None:
    said = send(manage.publish(send.endpoint.url, b"{}", LATER | {"Upstash-Label": "one"}))
    assert isinstance(said, dict)
    found = send(manage.message(said["messageId"]))
    assert found["url"].rstrip("/") == send.endpoint.url.rstrip("/")
    send(manage.cancel_message(said["messageId"]))
    send(manage.publish(send.endpoint.url, b"{}", LATER | {"Upstash-Label": "one"}))
    assert send(manage.cancel_messages({"label": "one"})) == 1
    with pytest.raises(ValueError, match="empty"):
        manage.cancel_messages({})


def test_a_batch_answers_item_by_item(send: Manager) -> None:
    send(manage.add_endpoints("pair", [{"url": f"{send.endpoint.url}/a"}, {"url": f"{send.endpoint.url}/b"}]))
    body = b'[{"destination": "pair"}, {"destination": "%s"}]' % send.endpoint.url.encode()
    assert len(send(manage.batch(body))) == 3


def test_history_tells_what_happened_to_a_message(send: Manager) -> None:
    said = send(manage.publish(send.endpoint.url, b"x"))
    assert isinstance(said, dict)

    def delivered() -> bool:
        page = send(manage.events({"messageId": said["messageId"]}))
        return any(event["state"] == "DELIVERED" for event in page.items)

    eventually(delivered)
    assert send(manage.events(count=1)).cursor


def test_queues_are_made_changed_and_deleted(send: Manager) -> None:
    send(manage.set_queue("videos", parallelism=2))
    send(manage.pause_queue("videos"))
    send(manage.enqueue("videos", send.endpoint.url, b"x"))
    queue = send(manage.queue("videos"))
    assert (queue["parallelism"], queue["paused"], queue["lag"]) == (2, True, 1)
    assert [one["name"] for one in send(manage.queues())] == ["videos"]
    send(manage.resume_queue("videos"))
    send(manage.delete_queue("videos"))
    with pytest.raises(Refused, match="videos"):
        send(manage.queue("videos"))


def test_schedules_are_made_paused_and_deleted(send: Manager) -> None:
    name = send(manage.set_schedule(send.endpoint.url, "0 4 * * *", b"x", {"Upstash-Schedule-Id": "nightly"}))
    assert name == "nightly"
    send(manage.pause_schedule(name))
    assert send(manage.schedule(name))["isPaused"] is True
    send(manage.resume_schedule(name))
    assert [one["cron"] for one in send(manage.schedules())] == ["0 4 * * *"]
    send(manage.delete_schedule(name))
    assert send(manage.schedules()) == []


def test_url_groups_are_made_and_deleted(send: Manager) -> None:
    endpoints = [{"url": f"{send.endpoint.url}/{name}", "name": name} for name in ("one", "two")]
    send(manage.add_endpoints("shops", endpoints))
    send(manage.remove_endpoints("shops", [{"name": "one"}]))
    assert [one["name"] for one in send(manage.url_group("shops"))["endpoints"]] == ["two"]
    assert "shops" in [one["name"] for one in send(manage.url_groups())]
    send(manage.delete_url_group("shops"))
    assert "shops" not in [one["name"] for one in send(manage.url_groups())]


def test_dead_letters_are_retried_and_deleted(send: Manager) -> None:
    for _ in range(2):
        send(manage.publish(f"{send.endpoint.url}/fail", b"x", {"Upstash-Retries": "0"}))
    eventually(lambda: len(send(manage.dead_letters()).items) == 2)
    first, second = (one["dlqId"] for one in send(manage.dead_letters()).items)
    assert send(manage.dead_letter(first))["responseBody"] == "boom"
    assert send(manage.retry_dead_letters({"dlqIds": [first]}))[0]["messageId"]
    assert send(manage.delete_dead_letters({"dlqIds": [second]})) == 1


def test_flow_keys_are_steered(send: Manager) -> None:
    send(manage.publish(send.endpoint.url, b"x", LATER | _flow("shop/1")))
    send(manage.pause_flow("shop/1"))
    send(manage.pin_flow("shop/1", parallelism=3, rate=10, period=60))
    key = send(manage.flow_key("shop/1"))
    assert (key["isPaused"], key["parallelismMax"], key["rateMax"], key["ratePeriod"]) == (True, 3, 10, 60)
    send(manage.unpin_flow("shop/1"))
    send(manage.reset_flow_rate("shop/1"))
    send(manage.resume_flow("shop/1"))
    assert [one["flowControlKey"] for one in send(manage.flow_keys("shop"))] == ["shop/1"]
    assert send(manage.global_parallelism())["parallelismMax"] > 0


def test_signing_keys_are_shown_and_those_of_development_are_not_rotated(send: Manager) -> None:
    assert set(send(manage.signing_keys())) == {"current", "next"}
    with pytest.raises(Refused, match="development"):
        send(manage.rotate_signing_keys())


def _flow(key: str) -> dict[str, str]:
    return {"Upstash-Flow-Control-Key": key, "Upstash-Flow-Control-Value": "parallelism=1"}
