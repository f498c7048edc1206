"""Celery tasks without a worker: `delay` and `apply_async` publish to the broker, which pushes each task to your endpoint.

>>> app = Celery("shop")
>>> tasks = push_tasks(app, url="https://shop.example/tasks")
>>> application = tasks.wsgi  # mounted at /tasks

Tasks stay as they are, `shared_task` too. Retries are Celery's own: `self.retry`, `autoretry_for`, `retry_backoff` and
`max_retries` decide, and each further try is a message of its own. A task that fails for good is a dead letter.
"""

import traceback
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

from celery import Celery, states
from celery.app.trace import build_tracer
from celery.exceptions import NotRegistered
from celery.utils import uuid
from kombu.utils import json

from ringback import clock
from ringback.client import Broker
from ringback.client.durations import unix_seconds
from ringback.errors import RingbackError
from ringback.shims.publishing import Publisher
from ringback.shims.receiving import Ran, Receiver, Task

_REFUSED = {
    "link": "callbacks",
    "link_error": "error callbacks",
    "chain": "chains",
    "chord": "chords",
    "group_id": "groups",
    "reply_to": "replies over RPC",
    "soft_time_limit": "soft time limits",
    "compression": "compression",
}
"""Options of a publish that only a worker can keep, and what they are for."""


class NotCarried(RingbackError):
    """A task asks for something that needs a Celery worker."""


def push_tasks(
    app: Celery,
    url: str,
    *,
    broker: Broker | None = None,
    retries: int = 3,
    queues: Collection[str] = (),
    verify_signatures: bool = True,
) -> Receiver:
    """Let an app's tasks be published to a URL, and return what receives them there.

    Args:
        app: the Celery app; its tasks are published from now on.
        url: the public URL at which the receiver is mounted.
        broker: which broker; from the environment unless given.
        retries: further deliveries when the endpoint is away, crashes, or takes too long. Errors of tasks do not count here.
        queues: Celery queues that are queues of the broker too; see `Publisher`.
        verify_signatures: False lets everybody run tasks; for development only.
    """
    publisher = Publisher(url, broker, retries, queues)

    def send_task(name: str, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        return _publish(app, publisher, name, args, kwargs, options)

    app.send_task = send_task
    return Receiver(publisher, lambda task: _run(app, task), verify_signatures=verify_signatures)


def _publish(app: Celery, publisher: Publisher, name: str, args: Any, kwargs: Any, options: dict[str, Any]) -> Any:
    """Do what `Celery.send_task` does, with the broker in place of a queue.

    Raises:
        NotCarried: it asks for what needs a worker.
    """
    _refuse(name, options)
    options = app.amqp.router.route(dict(options), name, args, kwargs)  # `task_routes` of the app
    task_id = options.get("task_id") or uuid()
    retries = options.get("retries") or 0
    queue = _name(options.get("queue"))
    now = clock.now()
    said = {
        "id": task_id,
        "task": name,
        "args": list(args or ()),
        "kwargs": dict(kwargs or {}),
        "retries": retries,
        "queue": queue,
        "expires": _instant(options.get("expires"), now),
        "root_id": options.get("root_id") or task_id,
        "parent_id": options.get("parent_id"),
    }
    at = _instant(options.get("eta") if options.get("countdown") is None else options["countdown"], now)
    limit = options.get("time_limit")
    body: str = json.dumps(said)  # type: ignore[no-untyped-call] # also writes dates, decimals and UUIDs
    # A try has a message of its own; published again after a crash it is the same message
    publisher.publish(body, name=name, dedup=f"{task_id}\n{retries}", queue=queue, at_ms=at, timeout_s=limit)
    return (options.get("result_cls") or app.AsyncResult)(task_id)


def _refuse(name: str, options: dict[str, Any]) -> None:
    for option, what in _REFUSED.items():
        if options.get(option):
            raise NotCarried(
                f"task {name} asks for {option}: {what} need a Celery worker; use a ringback workflow instead"
            )
    if options.get("serializer") not in (None, "json"):
        raise NotCarried(f"task {name} asks for the serializer {options['serializer']!r}: tasks travel as JSON")


def _run(app: Celery, task: Task) -> Ran:
    said = json.loads(task.body)  # type: ignore[no-untyped-call]
    name, task_id = said.get("task"), said.get("id")
    if not isinstance(name, str) or not isinstance(task_id, str):
        return Ran(489, "the body should be a task that this shim has published")
    if said.get("expires") is not None and said["expires"] < clock.now():
        return Ran(200, f"task {name} has expired")
    try:
        found = app.tasks[name]
    except NotRegistered:
        return Ran(489, f"task {name} is not registered here: import its module where the receiver is made")
    request = {
        "id": task_id,
        "task": name,
        "args": said["args"],
        "kwargs": said["kwargs"],
        "retries": said["retries"],
        "root_id": said["root_id"],
        "parent_id": said["parent_id"],
        "delivery_info": {"exchange": "", "routing_key": said["queue"], "redelivered": task.retried > 0},
        "called_directly": False,
        "is_eager": False,
    }
    tracer = build_tracer(name, found, app=app)
    value, info, _, _ = tracer(task_id, said["args"], said["kwargs"], request)
    return Ran(200, "done") if info is None else _ended(name, info, value)


def _ended(name: str, info: Any, value: Any) -> Ran:
    """Say what an end other than success means; a task that is tried again has published its next try itself."""
    if info.state == states.RETRY:
        return Ran(200, f"task {name} is tried again")
    if info.state == states.IGNORED:
        return Ran(200, f"task {name} has asked to be ignored")
    error = info.retval
    if info.state == states.REJECTED and (error.requeue or isinstance(error.reason, RingbackError)):
        return Ran(503, f"task {name} was rejected: {error.reason}")
    stack = getattr(value, "traceback", None) or "".join(traceback.format_exception_only(error))
    return Ran(489, f"{type(error).__name__}: {error}\n{stack}")


def _instant(value: Any, now: int) -> int | None:
    """Return when a countdown or expiry in seconds, or a time, is: in milliseconds since the epoch."""
    if value is None:
        return None
    if isinstance(value, int | float):
        return now + int(value * 1000)
    if isinstance(value, timedelta):
        return now + int(value.total_seconds() * 1000)
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)  # as Celery takes it, with UTC enabled
    return unix_seconds(aware, "the time") * 1000


def _name(queue: Any) -> str | None:
    """Return the name of a queue, which may be given as kombu's object."""
    return None if queue is None else str(getattr(queue, "name", queue))
