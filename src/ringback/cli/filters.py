"""The options that say which messages a command is about, the same for lists and for bulk actions."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any, ParamSpec

import click

from ringback.client.durations import seconds
from ringback.client.management import Filter

P = ParamSpec("P")


class Moment(click.ParamType[int]):
    """An instant: ISO 8601, or how long ago, such as 15m or 2d. Becomes milliseconds since the epoch."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> int:
        """Read what was given."""
        if isinstance(value, int):
            return value
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            try:
                at = datetime.now(UTC) - timedelta(seconds=seconds(value, "the time"))  # noqa: TID251 - the user's now
            except ValueError:
                self.fail(
                    f"{value!r} is no time: expected ISO 8601 such as 2026-11-26T10:00, or 15m, 2d ago", param, context
                )
        return round(at.astimezone().timestamp() * 1000)


class FunctionState(click.Choice[str]):
    """A state of a failure function, without what all its names on the wire begin with."""

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> str:
        """Read what was given; it becomes the name on the wire."""
        return f"CALLBACK_{super().convert(value, param, context).upper()}"


_OPTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "messageId": ("--message", {"help": "This message."}),
    "url": ("--to", {"metavar": "URL", "multiple": True, "help": "Delivered to this URL."}),
    "topicName": ("--group", {"multiple": True, "help": "Of this URL group."}),
    "queueName": ("--queue", {"multiple": True, "help": "Of this queue."}),
    "scheduleId": ("--schedule", {"multiple": True, "help": "Made by this schedule."}),
    "label": ("--label", {"multiple": True, "help": "With this label."}),
    "flowControlKey": ("--flow-key", {"multiple": True, "help": "Under this flow-control key."}),
    "host": ("--host", {"multiple": True, "help": "Delivered to this host, with its port if the URL has one."}),
    "path": ("--path", {"multiple": True, "help": "Delivered to this path, such as /api/hook."}),
    "workflowUrl": ("--url", {"metavar": "URL", "multiple": True, "help": "Of the workflow at this URL."}),
    "workflowRunId": ("--run", {"help": "This run."}),
    "failureFunctionState": (
        "--failure-function",
        {
            "type": FunctionState(("fail", "inprogress", "success", "canceled")),
            "multiple": True,
            "help": "Whose failure function is in this state.",
        },
    ),
    "callerIp": ("--caller-ip", {"help": "Published from this address."}),
    "state": ("--state", {"multiple": True, "help": "In this state, such as DELIVERED or FAILED."}),
    "responseStatus": ("--status", {"multiple": True, "type": int, "help": "Whose last answer had this status."}),
    "fromDate": ("--since", {"type": Moment(), "help": "Since then: ISO 8601, or 15m, 2d ago."}),
    "toDate": ("--until", {"type": Moment(), "help": "Until then."}),
}
_ABOUT_BOTH = ("label", "flowControlKey", "host", "path", "callerIp", "fromDate", "toDate")
ABOUT_MESSAGES = ("url", "topicName", "queueName", "scheduleId", *_ABOUT_BOTH)
"""What all calls about messages can be asked for."""
ABOUT_RUNS = ("workflowUrl", "workflowRunId", *_ABOUT_BOTH)
"""What all calls about runs can be asked for."""


def filtered(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options for these filters; it gets them as `which`, by their names on the wire."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def with_filter(*args: Any, **kwargs: Any) -> None:
            given = {name: kwargs.pop(_parameter(name)) for name in names}
            which: Filter = {name: _plain(value) for name, value in given.items() if value not in (None, ())}
            command(*args, which=which, **kwargs)

        decorated: Callable[..., None] = with_filter
        for name in reversed(names):
            flag, more = _OPTIONS[name]
            decorated = click.option(flag, _parameter(name), **more)(decorated)
        return decorated

    return decorate


def _parameter(name: str) -> str:
    return f"filter_{name.lower()}"


def _plain(value: Any) -> Any:
    return [str(one) for one in value] if isinstance(value, tuple) else value
