"""Django's tasks are pushed: enqueued through the backend, run by the view, tried again by the broker."""

import json
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import RequestFactory, override_settings
from django.utils import timezone

from ringback.client import Broker, Transport, management
from support.django_project import configure
from support.endpoint import Answer, Endpoint, Received, eventually, listening
from support.process import BrokerProcess, running


@pytest.fixture(scope="module")
def broker() -> Iterator[BrokerProcess]:
    with running() as process:
        yield process


@pytest.fixture
def endpoint(broker: BrokerProcess, monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    """The view of a project whose tasks go to it."""
    for name, value in (
        ("QSTASH_URL", broker.url),
        ("QSTASH_TOKEN", broker.token),
        ("QSTASH_CURRENT_SIGNING_KEY", broker.current_key),
        ("QSTASH_NEXT_SIGNING_KEY", broker.next_key),
    ):
        monkeypatch.setenv(name, value)
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    configure()
    with listening() as listener:
        options = {"url": f"{listener.url}/tasks/", "queues": ["mails"], "retries": 2}
        backend = {"BACKEND": "ringback.shims.django.RingbackBackend", "QUEUES": [], "OPTIONS": options}
        with override_settings(TASKS={"default": backend}):
            from django_tasks import task_backends

            from ringback.shims.django import receive_tasks

            task_backends.__dict__.pop("settings", None)
            view = receive_tasks()
            listener.respond = lambda came: answer(view(request_like(came)))
            yield listener
            task_backends["default"].publisher.close()
    sys.modules.pop("djangotasks", None)


def request_like(came: Received) -> Any:
    headers = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in came.headers.items()}
    kind = came.headers.get("content-type", "")
    return RequestFactory().generic(came.method, came.path, came.body, kind, **headers)


def answer(response: HttpResponse) -> Answer:
    return Answer(response.status_code, response.content, dict(response.headers))


@pytest.fixture
def tasks(endpoint: Endpoint) -> Any:
    import djangotasks

    return djangotasks


def test_a_task_runs_with_its_arguments(tasks: Any, endpoint: Endpoint) -> None:
    result = tasks.charge.enqueue(7, amount="1.50")
    assert eventually(lambda: tasks.done) == [(7, "1.50")]
    assert result.status == "READY"
    assert json.loads(endpoint.received[0].body)["id"] == result.id


def test_a_task_in_an_event_loop_runs_too(tasks: Any) -> None:
    tasks.in_a_loop.enqueue(8)
    assert eventually(lambda: tasks.done) == [8]


def test_a_failed_task_is_tried_again_by_the_broker_and_knows_its_attempt(tasks: Any, endpoint: Endpoint) -> None:
    tasks.flaky.enqueue(9)
    assert eventually(lambda: tasks.done) == [(9, 1)]
    (came,) = endpoint.received
    again = dict(came.headers) | {"upstash-retried": "1"}
    assert endpoint.respond(Received(came.method, came.path, again, came.body)).status == 200
    assert tasks.done == [(9, 1), (9, 2)]


def test_run_after_is_a_time_before_which_nothing_comes(tasks: Any, broker: BrokerProcess) -> None:
    later = timezone.now() + timedelta(hours=3)
    tasks.charge.using(run_after=later).enqueue(1)
    transport = Transport(Broker(broker.url, broker.token))
    events = transport.send(management.events({"label": "djangotasks.charge", "state": "CREATED"})).items
    transport.close()
    waits = [one["nextDeliveryTime"] - later.timestamp() * 1000 for one in events]
    assert any(0 <= wait <= 1000 for wait in waits), waits
    assert tasks.done == []


def test_a_queue_of_the_broker_keeps_the_order(tasks: Any) -> None:
    for number in range(5):
        tasks.mail.enqueue(number)
    eventually(lambda: len(tasks.done) == 5)
    assert tasks.done == list(range(5))


def test_only_tasks_that_the_broker_has_signed_run(tasks: Any, endpoint: Endpoint) -> None:
    body = json.dumps({"task": "djangotasks.charge", "args": [1], "kwargs": {}}).encode()
    assert endpoint.respond(Received("POST", "/tasks/", {}, body)).status == 401
    assert tasks.done == []


def test_what_is_no_task_becomes_a_dead_letter(tasks: Any, endpoint: Endpoint) -> None:
    """Also a function that anybody who can publish might name."""
    from ringback.shims.django import _run
    from ringback.shims.receiving import Task

    said = {"task": "os.getcwd", "id": "1", "args": [], "kwargs": {}, "backend": "default"}
    said["enqueued_at"] = timezone.now().isoformat()
    ran = _run(Task(said, "", "", 0))
    assert (ran.status, ran.told) == (489, "os.getcwd is not a task")
    gone = _run(Task(said | {"task": "no.such.task"}, "", "", 0))
    assert gone.status == 489


def test_a_backend_without_a_url_says_so() -> None:
    configure()
    from ringback.shims.django import RingbackBackend

    with pytest.raises(ValueError, match="should be the public URL"):
        RingbackBackend("default", {})
