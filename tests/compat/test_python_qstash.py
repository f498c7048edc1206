"""The official Python client, unmodified: every public method against a real broker."""

import asyncio
import base64
import inspect
import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from qstash import AsyncQStash, QStash, Receiver
from qstash.errors import QStashError, SignatureError
from qstash.log import LogState
from qstash.message import FlowControl

from support.endpoint import Endpoint, eventually
from support.process import BrokerProcess

LATER = "1h"


class Blocking:
    """The async client with its methods made to block, so that both clients go through the same tests."""

    def __init__(self, inner: Any, runner: asyncio.Runner) -> None:
        self._inner, self._runner = inner, runner

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not inspect.iscoroutinefunction(found):
            return Blocking(found, self._runner)
        return lambda *args, **options: self._runner.run(found(*args, **options))


@pytest.fixture(params=["sync", "async"])
def client(request: pytest.FixtureRequest, broker: BrokerProcess) -> Iterator[QStash]:
    if request.param == "sync":
        opened = QStash(broker.token, base_url=broker.url)
        yield opened
        opened.http._client.close()
        return
    with asyncio.Runner() as runner:
        waiting = AsyncQStash(broker.token, base_url=broker.url)
        yield Blocking(waiting, runner)  # type: ignore[misc]
        runner.run(waiting.http._client.aclose())


def states(client: QStash, message_id: str) -> list[str]:
    events = client.log.list(filter={"message_id": message_id}).logs
    return [event.state.value for event in reversed(events)]


def ended(client: QStash, message_id: str) -> list[str]:
    """Return the states of a message once it has come to its end."""

    def over() -> list[str] | None:
        seen = states(client, message_id)
        return seen if seen and seen[-1] in ("DELIVERED", "FAILED", "CANCELED") else None

    return eventually(over)  # type: ignore[return-value]


def name(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:8]}"


class TestPublish:
    def test_a_message_arrives_as_it_was_published(self, client: QStash, endpoint: Endpoint) -> None:
        sent = client.message.publish(
            url=f"{endpoint.url}/hook?src=web&x=%20y",
            body=b"\x00raw",
            content_type="application/octet-stream",
            method="PUT",
            headers={"x-tenant": "42"},
        )
        (got,) = endpoint.wait_for(1)
        assert (got.method, got.path, got.body) == ("PUT", "/hook?src=web&x=%20y", b"\x00raw")
        assert got.headers["x-tenant"] == "42"
        assert got.headers["content-type"] == "application/octet-stream"
        assert got.headers["user-agent"] == "Upstash-QStash"
        assert got.headers["upstash-message-id"] == sent.message_id
        assert got.headers["upstash-retried"] == "0"
        assert ended(client, sent.message_id) == ["CREATED", "ACTIVE", "DELIVERED"]

    def test_json_is_json(self, client: QStash, endpoint: Endpoint) -> None:
        client.message.publish_json(url=f"{endpoint.url}/json", body={"ü": [1, None]})
        (got,) = endpoint.wait_for(1)
        assert json.loads(got.body) == {"ü": [1, None]}
        assert got.headers["content-type"] == "application/json"

    def test_the_signature_is_accepted_by_the_official_receiver(
        self, client: QStash, endpoint: Endpoint, broker: BrokerProcess
    ) -> None:
        client.message.publish(url=f"{endpoint.url}/signed?a=b", body="hello")
        (got,) = endpoint.wait_for(1)
        receiver = Receiver(broker.current_key, broker.next_key)
        signature = got.headers["upstash-signature"]
        receiver.verify(signature=signature, body="hello", url=f"{endpoint.url}/signed?a=b")
        with pytest.raises(SignatureError):
            receiver.verify(signature=signature, body="hullo", url=f"{endpoint.url}/signed?a=b")
        with pytest.raises(SignatureError):
            receiver.verify(signature=signature, body="hello", url=f"{endpoint.url}/other")

    def test_a_failing_endpoint_gives_four_events_and_one_dead_letter(self, client: QStash, endpoint: Endpoint) -> None:
        sent = client.message.publish(url=f"{endpoint.url}/fail", body="x", retries=0)
        assert ended(client, sent.message_id) == ["CREATED", "ACTIVE", "ERROR", "FAILED"]
        (letter,) = [one for one in client.dlq.list().messages if one.message_id == sent.message_id]
        assert (letter.response_status, letter.response_body, letter.max_retries) == (500, "boom", 0)
        assert client.dlq.get(letter.dlq_id).message_id == sent.message_id
        client.dlq.delete(letter.dlq_id)
        with pytest.raises(QStashError, match="404"):
            client.dlq.get(letter.dlq_id)

    def test_retries_follow_the_expression(self, client: QStash, endpoint: Endpoint) -> None:
        sent = client.message.publish(url=f"{endpoint.url}/fail", retries=2, retry_delay="50 * (1 + retried)")
        assert ended(client, sent.message_id).count("RETRY") == 2
        assert [got.headers["upstash-retried"] for got in endpoint.received] == ["0", "1", "2"]

    def test_duplicates_are_found_by_id_and_by_content(self, client: QStash, endpoint: Endpoint) -> None:
        url, key = f"{endpoint.url}/once", name("dedup")
        first = client.message.publish(url=url, body="1", deduplication_id=key)
        again = client.message.publish(url=url, body="2", deduplication_id=key)
        assert (again.message_id, again.deduplicated, first.deduplicated) == (first.message_id, True, False)
        body = name("body")
        one = client.message.publish(url=url, body=body, content_based_deduplication=True)
        two = client.message.publish(url=url, body=body, content_based_deduplication=True, delay="5s")
        assert (two.message_id, two.deduplicated) == (one.message_id, True)
        other = client.message.publish(url=url, body=body, content_based_deduplication=True, headers={"a": "b"})
        assert not other.deduplicated

    def test_callbacks_tell_of_the_outcome(self, client: QStash, endpoint: Endpoint) -> None:
        client.message.publish(
            url=f"{endpoint.url}/fail",
            body="question",
            retries=0,
            callback=f"{endpoint.url}/callback",
            callback_headers={"Forward-X-Kind": "callback"},
            failure_callback=f"{endpoint.url}/failed",
        )
        (called,) = endpoint.wait_for(1, "/callback")
        (failed,) = endpoint.wait_for(1, "/failed")
        told = json.loads(called.body)
        assert (told["status"], told["retried"], told["maxRetries"]) == (500, 0, 0)
        assert base64.b64decode(told["body"]) == b"boom"
        assert base64.b64decode(told["sourceBody"]) == b"question"
        assert (told["url"], told["method"]) == (f"{endpoint.url}/fail", "POST")
        assert "dlqId" not in told
        assert called.headers["x-kind"] == "callback"
        assert json.loads(failed.body)["dlqId"]

    def test_a_delayed_message_can_be_read_and_canceled(self, client: QStash, endpoint: Endpoint) -> None:
        sent = client.message.publish_json(
            url=f"{endpoint.url}/later",
            body={"n": 1},
            delay=LATER,
            retries=7,
            headers={"bypass-tunnel-reminder": "1"},
            retry_delay="1000",
            flow_control=FlowControl(key="later", parallelism=3, rate=5, period="2m"),
            label="tagged",
        )
        known = client.message.get(sent.message_id)
        assert (known.url, known.method, known.max_retries) == (f"{endpoint.url}/later", "POST", 7)
        assert known.headers == {"Content-Type": ["application/json"], "Bypass-Tunnel-Reminder": ["1"]}
        assert known.body == '{"n": 1}'
        assert known.not_before >= known.created_at + 3_599_000
        assert known.retry_delay_expression == "1000"
        assert known.flow_control is not None
        assert (known.flow_control.key, known.flow_control.parallelism) == ("later", 3)
        assert (known.flow_control.rate, known.flow_control.period) == (5, 120)
        client.message.cancel(sent.message_id)
        assert states(client, sent.message_id) == ["CREATED", "CANCEL_REQUESTED", "CANCELED"]
        with pytest.raises(QStashError, match="404"):
            client.message.cancel(sent.message_id)

    def test_a_message_can_be_read_right_after_a_fast_delivery(self, client: QStash, endpoint: Endpoint) -> None:
        sent = client.message.publish(url=f"{endpoint.url}/fast", body="x")
        ended(client, sent.message_id)
        assert client.message.get(sent.message_id).message_id == sent.message_id

    def test_redacted_parts_are_hidden_but_delivered(self, client: QStash, endpoint: Endpoint) -> None:
        sent = client.message.publish(
            url=f"{endpoint.url}/secret",
            body="secret",
            headers={"x-secret": "s", "x-open": "o"},
            redact={"body": True, "header": ["x-secret"]},
        )
        (got,) = endpoint.wait_for(1)
        assert (got.body, got.headers["x-secret"]) == (b"secret", "s")
        known = client.message.get(sent.message_id)
        assert known.body is not None
        assert known.body.startswith("REDACTED:")
        assert known.headers is not None
        assert known.headers["X-Secret"][0].startswith("REDACTED:")
        assert known.headers["X-Open"] == ["o"]

    @pytest.mark.parametrize(
        ("options", "text"),
        [
            ({"url": "ftp://x.example"}, "endpoint has invalid scheme, add http:// or https://"),
            ({"url": "http://x.example", "delay": "10"}, 'time: missing unit in duration "10"'),
            ({"url": "http://x.example", "deduplication_id": "a:b"}, "DeduplicationId cannot contain ':'"),
            ({"url": "http://x.example", "retries": 1000}, "quota maxRetries exceeded"),
            ({"url": "http://x.example", "delay": "800d"}, "quota maxDelay exceeded"),
            ({"url": "http://x.example", "retry_delay": "retried +"}, "Upstash-Retry-Delay"),
            ({"url_group": "no-such-group"}, "topic no-such-group not found"),
        ],
    )
    def test_errors_say_what_is_wrong(self, client: QStash, options: dict[str, object], text: str) -> None:
        with pytest.raises(QStashError) as refused:
            client.message.publish(**options)  # type: ignore[arg-type]
        assert text in json.loads(str(refused.value).partition("body: ")[2])["error"]


class TestBatchAndBulk:
    def test_a_batch_mixes_urls_groups_and_queues(self, client: QStash, endpoint: Endpoint) -> None:
        group, queue = name("group"), name("queue")
        client.url_group.upsert_endpoints(
            group, [{"url": f"{endpoint.url}/g1"}, {"url": f"{endpoint.url}/g2", "name": "two"}]
        )
        answers = client.message.batch(
            [
                {"url": f"{endpoint.url}/b1", "body": "1", "retries": 0},
                {"url_group": group, "body": "2"},
                {"url": f"{endpoint.url}/b3", "body": "3", "queue": queue},
            ]
        )
        assert answers[0].message_id.startswith("msg_")  # type: ignore[union-attr]
        assert [one.url for one in answers[1]] == [f"{endpoint.url}/g1", f"{endpoint.url}/g2"]  # type: ignore[union-attr]
        assert {got.path for got in endpoint.wait_for(4)} == {"/b1", "/g1", "/g2", "/b3"}
        client.url_group.delete(group)
        client.queue.delete(queue)

    def test_batch_json(self, client: QStash, endpoint: Endpoint) -> None:
        client.message.batch_json([{"url": f"{endpoint.url}/j", "body": {"n": number}} for number in range(3)])
        assert sorted(json.loads(got.body)["n"] for got in endpoint.wait_for(3)) == [0, 1, 2]

    def test_one_wrong_item_refuses_the_whole_batch(self, client: QStash, endpoint: Endpoint) -> None:
        with pytest.raises(QStashError, match="item 1"):
            client.message.batch([{"url": f"{endpoint.url}/good"}, {"url": "ftp://bad"}])
        assert endpoint.received == []

    def test_many_are_canceled(self, client: QStash, endpoint: Endpoint) -> None:
        ids = [client.message.publish(url=endpoint.url, delay=LATER).message_id for _ in range(3)]
        assert client.message.cancel_many(ids[:2]) == 2
        assert client.message.cancel_many([]) == 0
        assert client.message.cancel_all() >= 1
        assert client.message.cancel_all() == 0

    def test_many_dead_letters_are_deleted(self, client: QStash, endpoint: Endpoint) -> None:
        sent = [client.message.publish(url=f"{endpoint.url}/fail", retries=0).message_id for _ in range(3)]
        for message_id in sent:
            ended(client, message_id)
        letters = [one.dlq_id for one in client.dlq.list().messages if one.message_id in sent]
        assert client.dlq.delete_many([*letters, "1-1"]) == 3
        assert client.dlq.delete_many([]) == 0


class TestQueues:
    def test_a_queue_is_made_read_changed_and_removed(self, client: QStash) -> None:
        queue = name("queue")
        client.queue.upsert(queue, parallelism=2)
        known = client.queue.get(queue)
        assert (known.name, known.parallelism, known.lag, known.paused) == (queue, 2, 0, False)
        assert queue in [one.name for one in client.queue.list()]
        client.queue.pause(queue)
        assert client.queue.get(queue).paused
        client.queue.resume(queue)
        assert not client.queue.get(queue).paused
        client.queue.delete(queue)
        client.queue.delete(queue)
        with pytest.raises(QStashError, match="404"):
            client.queue.get(queue)

    def test_messages_of_a_queue_come_in_order(self, client: QStash, endpoint: Endpoint) -> None:
        queue = name("queue")
        for number in range(10):
            client.message.enqueue_json(queue=queue, url=f"{endpoint.url}/q", body=number)
        assert [json.loads(got.body) for got in endpoint.wait_for(10)] == list(range(10))
        assert client.queue.get(queue).parallelism == 1

    def test_a_paused_queue_takes_in_and_starts_nothing(self, client: QStash, endpoint: Endpoint) -> None:
        queue = name("queue")
        client.queue.upsert(queue, paused=True)
        client.message.enqueue(queue=queue, url=f"{endpoint.url}/q", body="x")
        assert client.queue.get(queue).lag == 1
        assert endpoint.received == []
        client.queue.resume(queue)
        endpoint.wait_for(1)
        eventually(lambda: client.queue.get(queue).lag == 0)


class TestSchedules:
    def test_a_schedule_is_made_read_paused_and_removed(self, client: QStash, endpoint: Endpoint) -> None:
        made = client.schedule.create_json(
            destination=f"{endpoint.url}/tick",
            cron="CRON_TZ=Europe/Berlin 5 4 1 1 *",
            body={"a": 1},
            headers={"x-s": "1"},
            retries=2,
            delay="10s",
            timeout="20s",
            label="nightly",
            callback=f"{endpoint.url}/cb",
        )
        known = client.schedule.get(made)
        assert (known.schedule_id, known.cron) == (made, "CRON_TZ=Europe/Berlin 5 4 1 1 *")
        assert (known.destination, known.method, known.retries) == (f"{endpoint.url}/tick", "POST", 2)
        assert known.headers == {"Content-Type": ["application/json"], "X-S": ["1"]}
        assert (known.delay, known.paused, known.callback) == (10, False, f"{endpoint.url}/cb")
        client.schedule.pause(made)
        assert client.schedule.get(made).paused
        client.schedule.resume(made)
        assert not client.schedule.get(made).paused
        assert made in [one.schedule_id for one in client.schedule.list()]
        client.schedule.delete(made)
        with pytest.raises(QStashError, match="404"):
            client.schedule.get(made)

    def test_a_schedule_is_overwritten_by_its_id(self, client: QStash, endpoint: Endpoint) -> None:
        schedule = name("schedule")
        client.schedule.create(destination=endpoint.url, cron="* * * * *", schedule_id=schedule, body="old")
        assert client.schedule.create(destination=endpoint.url, cron="0 0 1 1 *", schedule_id=schedule) == schedule
        known = client.schedule.get(schedule)
        assert (known.cron, known.body) == ("0 0 1 1 *", None)
        client.schedule.delete(schedule)

    def test_a_bad_cron_is_refused(self, client: QStash, endpoint: Endpoint) -> None:
        with pytest.raises(QStashError, match="expected 5 fields"):
            client.schedule.create(destination=endpoint.url, cron="* * *")


class TestUrlGroups:
    def test_endpoints_come_and_go(self, client: QStash) -> None:
        group = name("group")
        client.url_group.upsert_endpoints(
            group, [{"url": "https://a.example"}, {"url": "https://b.example", "name": "b"}]
        )
        client.url_group.upsert_endpoints(group, [{"url": "https://c.example", "name": "b"}])
        known = client.url_group.get(group)
        assert [(one.url, one.name) for one in known.endpoints] == [
            ("https://a.example", None),
            ("https://c.example", "b"),
        ]
        assert group in [one.name for one in client.url_group.list()]
        client.url_group.remove_endpoints(group, [{"name": "b"}])
        assert len(client.url_group.get(group).endpoints) == 1
        client.url_group.remove_endpoints(group, [{"url": "https://a.example"}])
        with pytest.raises(QStashError, match="404"):
            client.url_group.get(group)
        client.url_group.delete(group)

    def test_a_publish_to_a_group_answers_for_each_endpoint(self, client: QStash, endpoint: Endpoint) -> None:
        group = name("group")
        client.url_group.upsert_endpoints(group, [{"url": f"{endpoint.url}/{n}", "name": n} for n in ("a", "b")])
        answers = client.message.publish(url_group=group, body="x")
        assert [one.url for one in answers] == [f"{endpoint.url}/a", f"{endpoint.url}/b"]  # type: ignore[union-attr]
        got = endpoint.wait_for(2)
        assert {one.headers["upstash-topic-name"] for one in got} == {group}
        known = client.message.get(answers[0].message_id)  # type: ignore[index]
        assert (known.url_group, known.endpoint) == (group, "a")
        client.url_group.delete(group)


class TestFlowControlKeysAndLogs:
    def test_a_key_is_pinned_paused_and_read(self, client: QStash) -> None:
        key = f"{name('key')}/1 ü"
        client.flow_control.pause(key)
        client.flow_control.pin(key, {"parallelism": 3, "rate": 7, "period": 60})
        known = client.flow_control.get(key)
        assert (known.key, known.is_paused) == (key, True)
        assert (known.parallelism_max, known.rate_max, known.rate_period) == (3, 7, 60)
        assert known.is_pinned_parallelism
        assert known.is_pinned_rate
        client.flow_control.unpin(key, {"parallelism": True, "rate": True})
        client.flow_control.resume(key)
        client.flow_control.reset_rate(key)
        known = client.flow_control.get(key)
        assert (known.is_paused, known.is_pinned_parallelism, known.rate_count) == (False, False, 0)
        assert client.flow_control.get_global_parallelism().parallelism_max > 0
        with pytest.raises(QStashError, match="404"):
            client.flow_control.get("never-seen")

    def test_signing_keys_are_those_of_the_development_account(self, client: QStash, broker: BrokerProcess) -> None:
        known = client.signing_key.get()
        assert (known.current, known.next) == (broker.current_key, broker.next_key)

    def test_logs_are_filtered_and_paged_while_new_events_arrive(self, client: QStash, endpoint: Endpoint) -> None:
        label = name("label")
        for _ in range(4):
            sent = client.message.publish(url=f"{endpoint.url}/log", label=label)
            ended(client, sent.message_id)
        first = client.log.list(filter={"label": label}, count=5)
        client.message.publish(url=f"{endpoint.url}/log", label=label)
        second = client.log.list(filter={"label": label}, count=100, cursor=first.cursor)
        seen = [(one.message_id, one.state) for one in (*first.logs, *second.logs)]
        assert len(seen) == len(set(seen)) == 12
        delivered = client.log.list(filter={"label": label, "state": LogState.DELIVERED}).logs
        assert {one.state for one in delivered} == {LogState.DELIVERED}
        now = int(time.time() * 1000)  # noqa: TID251 - the filter is about the wall clock
        assert client.log.list(filter={"label": label, "from_time": now + 60_000}).logs == []
