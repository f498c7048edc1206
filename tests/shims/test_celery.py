"""Celery tasks are pushed: what they were called with arrives, and Celery decides about their tries."""

import io
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from celery import Celery, chain, chord, group, shared_task
from celery.exceptions import Ignore, Reject

from ringback.client import Broker, Transport, management
from ringback.shims.celery import NotCarried, push_tasks
from ringback.shims.receiving import Receiver
from ringback.wire.http import Request
from support.endpoint import Answer, Endpoint, Received, eventually, listening
from support.process import BrokerProcess, running
from support.tasks import received_by


@pytest.fixture(scope="module")
def broker() -> Iterator[BrokerProcess]:
    with running() as process:
        yield process


class Shop:
    """A Celery app with tasks, its receiver behind a real endpoint, and what its tasks have done."""

    def __init__(self, known: Broker) -> None:
        self.done: list[Any] = []
        self.receiver: Receiver | None = None
        self.app = Celery("shop", set_as_current=True)
        self.transport = Transport(known)
        self.broker = known

    def answer(self, came: Received) -> Answer:
        assert self.receiver
        return received_by(self.receiver, came)


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with listening() as listener:
        yield listener


@pytest.fixture
def shop(broker: BrokerProcess, endpoint: Endpoint) -> Iterator[Shop]:
    known = Broker(broker.url, broker.token, (broker.current_key, broker.next_key))
    shop = Shop(known)
    shop.receiver = push_tasks(shop.app, f"{endpoint.url}/tasks", broker=known, queues={"in-order"})
    endpoint.respond = shop.answer
    yield shop
    shop.receiver.close()
    shop.transport.close()
    shop.app.close()


def test_delay_runs_the_task_with_its_arguments(shop: Shop, endpoint: Endpoint) -> None:
    @shared_task
    def charge(*args: Any, **kwargs: Any) -> None:
        shop.done.append((args, kwargs))

    number = UUID("12345678123456781234567812345678")
    when = datetime(2026, 1, 2, tzinfo=UTC)
    result = charge.delay(7, Decimal("1.50"), order=number, at=when)
    endpoint.wait_for(1)
    assert eventually(lambda: shop.done) == [((7, Decimal("1.50")), {"order": number, "at": when})]
    assert json.loads(endpoint.received[0].body)["id"] == result.id


def test_a_countdown_and_an_eta_are_a_time_before_which_nothing_comes(shop: Shop) -> None:
    @shop.app.task(name="later")
    def later() -> None:
        raise AssertionError("not yet")

    later.apply_async(countdown=3600)
    later.apply_async(eta=datetime.now(UTC) + timedelta(hours=2))  # noqa: TID251 - the far future will do
    events = shop.transport.send(management.events({"label": "later", "state": "CREATED"})).items
    waits = sorted(round((one["nextDeliveryTime"] - one["time"]) / 3_600_000, 2) for one in events)
    assert waits == [1.0, 2.0]


def test_celery_decides_about_further_tries(shop: Shop, endpoint: Endpoint) -> None:
    @shop.app.task(name="flaky", bind=True, autoretry_for=(OSError,), max_retries=3, default_retry_delay=0)
    def flaky(self: Any, order: int) -> None:
        shop.done.append((self.request.retries, order))
        if self.request.retries < 2:
            raise OSError("away")

    flaky.delay(7)
    eventually(lambda: len(shop.done) == 3)
    assert shop.done == [(0, 7), (1, 7), (2, 7)]
    assert len({one.headers["upstash-message-id"] for one in endpoint.wait_for(3)}) == 3, "each try is a message"


def test_a_task_that_fails_for_good_is_a_dead_letter_with_its_stack(shop: Shop, endpoint: Endpoint) -> None:
    @shop.app.task(name="hopeless", bind=True, max_retries=1, default_retry_delay=0)
    def hopeless(self: Any) -> None:
        try:
            raise ValueError("never")
        except ValueError as error:
            raise self.retry(exc=error) from error

    hopeless.delay()
    (letter,) = eventually(lambda: shop.transport.send(management.dead_letters({"label": "hopeless"})).items)  # type: ignore[misc]
    assert letter["responseStatus"] == 489
    assert "ValueError: never" in json.loads(letter["responseBody"])["error"]
    assert len(endpoint.received) == 2


def test_a_message_delivered_again_after_a_retry_publishes_no_second_try(shop: Shop, endpoint: Endpoint) -> None:
    @shop.app.task(name="slow", bind=True, max_retries=1)
    def slow(self: Any) -> None:
        raise self.retry(countdown=3600)

    slow.delay()
    (came,) = endpoint.wait_for(1)
    assert shop.answer(came).status == 200
    events = shop.transport.send(management.events({"label": "slow", "state": "CREATED"})).items
    assert len(events) == 2


def test_ignored_and_rejected_tasks_end_as_they_ask(shop: Shop, endpoint: Endpoint) -> None:
    @shop.app.task(name="picky")
    def picky(how: str) -> None:
        shop.done.append(how)
        if how == "ignore":
            raise Ignore
        raise Reject("broken", requeue=how == "again" and shop.done.count("again") < 2)

    endpoint_answers = []
    for how in ("ignore", "again"):
        body = json.dumps({"id": how, "task": "picky", "args": [how], "kwargs": {}, "retries": 0, "queue": None,
                           "root_id": how, "parent_id": None}).encode()  # fmt: skip
        receiver = push_tasks(shop.app, "https://shop.example", broker=shop.broker, verify_signatures=False)
        endpoint_answers += [receiver.receive(Request("POST", "/", [], body)).status for _ in range(2)]
    assert endpoint_answers == [200, 200, 503, 489]
    assert endpoint.received == []


def test_an_expired_task_does_not_run(shop: Shop, endpoint: Endpoint) -> None:
    @shop.app.task(name="news")
    def news() -> None:
        shop.done.append("old")

    news.apply_async(expires=-1)
    (came,) = endpoint.wait_for(1)
    assert b"has expired" in shop.answer(came).body
    assert shop.done == []


def test_a_queue_of_the_broker_keeps_the_order(shop: Shop, endpoint: Endpoint) -> None:
    shop.app.conf.task_routes = {"step": {"queue": "in-order"}}

    @shop.app.task(name="step")
    def step(number: int) -> None:
        shop.done.append(number)

    for number in range(5):
        step.delay(number)
    eventually(lambda: len(shop.done) == 5)
    assert shop.done == list(range(5))


def test_what_needs_a_worker_is_refused_by_name(shop: Shop) -> None:
    @shop.app.task(name="part")
    def part(number: int = 0) -> int:
        return number

    for canvas in (
        chain(part.si(1), part.si(2)),
        group(part.si(1), part.si(2)),
        chord([part.si(1), part.si(2)], part.si(3)),
    ):
        with pytest.raises((NotCarried, NotImplementedError)):
            canvas.apply_async()
    with pytest.raises(NotCarried, match="task part asks for link: callbacks need a Celery worker"):
        part.apply_async(link=part.si(2))
    with pytest.raises(NotCarried, match="soft time limits"):
        part.apply_async(soft_time_limit=3)
    with pytest.raises(NotCarried, match="pickle"):
        part.apply_async(serializer="pickle")


def test_only_what_the_broker_has_signed_runs(shop: Shop, endpoint: Endpoint) -> None:
    @shop.app.task(name="secret")
    def secret() -> None:
        shop.done.append("ran")

    assert shop.receiver
    body = json.dumps({"id": "1", "task": "secret", "args": [], "kwargs": {}}).encode()
    assert shop.receiver.receive(Request("POST", "/tasks", [], body)).status == 401
    assert shop.receiver.receive(Request("GET", "/tasks", [])).status == 405
    secret.delay()
    (came,) = endpoint.wait_for(1)
    eventually(lambda: shop.done == ["ran"])
    other = push_tasks(shop.app, "https://elsewhere.example/tasks", broker=shop.broker)
    assert received_by(other, came).status == 401, "signed for another URL"


def test_it_is_a_wsgi_and_an_asgi_application(shop: Shop) -> None:
    assert shop.receiver
    told: list[Any] = []
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/tasks", "wsgi.input": io.BytesIO()}
    body = b"".join(shop.receiver.wsgi(environ, lambda status, headers: told.append(status)))  # type: ignore[arg-type,func-returns-value]
    assert (told, json.loads(body)) == (["405 Method Not Allowed"], {"error": "tasks are delivered with POST"})


async def test_asgi_runs_tasks_beside_the_loop(shop: Shop) -> None:
    @shop.app.task(name="threaded")
    def threaded() -> None:
        shop.done.append(threading.current_thread() is threading.main_thread())

    receiver = push_tasks(shop.app, "https://shop.example", broker=shop.broker, verify_signatures=False)
    body = json.dumps({"id": "1", "task": "threaded", "args": [], "kwargs": {}, "retries": 0, "queue": None,
                       "root_id": "1", "parent_id": None}).encode()  # fmt: skip
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        sent.append(message)

    await receiver.asgi({"type": "http", "method": "POST", "path": "/", "headers": []}, receive, send)
    assert sent[0]["status"] == 200
    assert shop.done == [False]
