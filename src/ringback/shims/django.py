"""Django's tasks without a worker: a backend that publishes to the broker, and the view to which it pushes them.

```python
TASKS = {
    "default": {
        "BACKEND": "ringback.shims.django.RingbackBackend",
        "OPTIONS": {"url": "https://shop.example/tasks/"},
    }
}
urlpatterns = [path("tasks/", receive_tasks())]
```

Works with `django.tasks` (Django 6.0 and later) and with its backport, the package `django-tasks`, before.
"""

import json
import math
import traceback
from collections.abc import Callable
from datetime import datetime
from functools import cache
from importlib import import_module
from typing import Any

import django
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.crypto import get_random_string
from django.utils.module_loading import import_string
from django.views.decorators.csrf import csrf_exempt

from ringback.shims.publishing import Publisher
from ringback.shims.receiving import Ran, Receiver
from ringback.shims.receiving import Task as Delivered
from ringback.workflow.adapters.django import request_of, response_of

_TASKS = "django.tasks" if django.VERSION >= (6, 0) else "django_tasks"
_base: Any = import_module(f"{_TASKS}.base")
_signals: Any = import_module(f"{_TASKS}.signals")
_BaseTaskBackend: Any = import_module(f"{_TASKS}.backends.base").BaseTaskBackend


class RingbackBackend(_BaseTaskBackend):  # type: ignore[misc] # whichever of the two is installed
    """Publishes tasks.

    Options:
        url: the public URL of `receive_tasks`.
        retries: further tries of a task that fails; 3 unless given.
        queues: names of queues that are queues of the broker too; see `Publisher`.
        verify_signatures: False lets everybody run tasks; for development only.
    """

    supports_defer = True
    supports_async_task = True
    supports_get_result = False
    supports_priority = False

    def __init__(self, alias: str, params: dict[str, Any]) -> None:
        super().__init__(alias, params)
        if not self.options.get("url"):
            raise ValueError(f"TASKS[{alias!r}]['OPTIONS']['url'] should be the public URL of receive_tasks")
        told = self.options
        self.publisher = Publisher(told["url"], None, told.get("retries", 3), told.get("queues", ()))

    def enqueue(self, task: Any, args: Any, kwargs: Any) -> Any:
        """Publish a task; the answer is `READY` and stays so, for there is no store of results.

        Raises:
            Refused: the broker says no.
            BrokerUnreachable: it gives no answer.
        """
        self.validate_task(task)
        now = timezone.now()
        result = _result(task, get_random_string(32), args, kwargs, self.alias, now)
        said = {
            "id": result.id,
            "task": task.module_path,
            "args": result.args,
            "kwargs": result.kwargs,
            "queue": task.queue_name,
            "backend": self.alias,
            "enqueued_at": now.isoformat(),
        }
        at = None if task.run_after is None else math.ceil(task.run_after.timestamp() * 1000)
        self.publisher.publish(
            json.dumps(said), name=task.module_path, dedup=result.id, queue=task.queue_name, at_ms=at
        )
        _signals.task_enqueued.send(type(self), task_result=result)
        return result


def receive_tasks(backend: str = "default") -> Callable[..., HttpResponse]:
    """Return the view that runs the tasks of a backend; the URL's it is mounted at is the backend's option `url`."""

    @cache
    def receiver() -> Receiver:
        tasks: Any = import_module(_TASKS).task_backends[backend]
        return Receiver(tasks.publisher, _run, verify_signatures=tasks.options.get("verify_signatures", True))

    def view(came: HttpRequest) -> HttpResponse:
        return response_of(receiver().receive(request_of(came)))

    # The broker sends no CSRF token; its signature is what it shows
    exempt: Callable[..., HttpResponse] = csrf_exempt(view)
    return exempt


def _run(delivered: Delivered) -> Ran:
    said = delivered.said
    try:
        task = import_string(str(said["task"]))
        result = _result(task, said["id"], said["args"], said["kwargs"], said["backend"], _time(said["enqueued_at"]))
    except (ImportError, KeyError, TypeError, ValueError) as error:
        return Ran(489, f"this is no task of this project: {type(error).__name__}: {error}")
    if not isinstance(task, _base.Task):
        return Ran(489, f"{said['task']} is not a task")
    _begin(result, delivered.retried + 1)
    try:
        context = (_base.TaskContext(task_result=result),) if task.takes_context else ()
        task.call(*context, *result.args, **result.kwargs)
    except Exception as error:  # noqa: BLE001 - whatever a task raises is a failed try
        _end(result, "FAILED", error)
        return Ran(500, "".join(traceback.format_exception(error)))
    _end(result, "SUCCESSFUL")
    return Ran()


def _result(task: Any, task_id: str, args: Any, kwargs: Any, backend: str, enqueued_at: datetime) -> Any:
    return _base.TaskResult(
        task=task,
        id=task_id,
        status=_base.TaskResultStatus.READY,
        enqueued_at=enqueued_at,
        started_at=None,
        finished_at=None,
        last_attempted_at=None,
        args=list(args),
        kwargs=dict(kwargs),
        backend=backend,
        errors=[],
        worker_ids=[],
    )


def _begin(result: Any, attempt: int) -> None:
    now = timezone.now()
    _set(result, status=_base.TaskResultStatus.RUNNING, started_at=now, last_attempted_at=now)
    result.worker_ids.extend(["ringback"] * attempt)  # a task's context counts its tries by them
    _signals.task_started.send(RingbackBackend, task_result=result)


def _end(result: Any, status: str, error: Exception | None = None) -> None:
    if error is not None:
        path = f"{type(error).__module__}.{type(error).__qualname__}"
        stack = "".join(traceback.format_exception(error))
        result.errors.append(_base.TaskError(exception_class_path=path, traceback=stack))
    _set(result, status=_base.TaskResultStatus[status], finished_at=timezone.now())
    _signals.task_finished.send(RingbackBackend, task_result=result)


def _set(result: Any, **values: Any) -> None:
    for name, value in values.items():
        object.__setattr__(result, name, value)  # frozen for users, and filled in by backends


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
