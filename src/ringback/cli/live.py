"""What `ringback dev` shows while it runs: a line for each attempt, with its answer and what comes of it."""

import time
from collections import OrderedDict
from collections.abc import Callable

from rich.console import Console
from rich.text import Text

from ringback.broker.changes import Applied
from ringback.broker.records import Event, Message
from ringback.cli.output import plain, time_of

_REMEMBERED = 10_000
_A_SECOND = 40
"""Most lines in a second; what is more is summed up, so that a load test does not wait for the terminal."""
_STYLES = {"DELIVERED": "green", "RETRY": "yellow", "FAILED": "red", "CANCELED": "magenta"}
_WORDS = {"DELIVERED": "delivered", "RETRY": "again", "FAILED": "failed", "CANCELED": "canceled"}


class LiveView:
    """Tells of attempts as they become durable.

    Args:
        console: where.
        clock: seconds, for the limit of lines.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._messages: OrderedDict[int, Message] = OrderedDict()
        self._begun: dict[int, int] = {}
        self._answers: dict[int, Event] = {}
        self._window = 0.0
        self._shown = self._left_out = 0

    def see(self, applied: Applied) -> None:
        """Look through what is durable."""
        for message in (*applied.put(Message), *(handed.message for handed in applied.handed)):
            self._remember(message)
        for event in applied.put(Event):
            self._event(event)

    def _remember(self, message: Message) -> None:
        self._messages[message.seq] = message
        if len(self._messages) > _REMEMBERED:
            gone, _ = self._messages.popitem(last=False)
            self._begun.pop(gone, None)
            self._answers.pop(gone, None)

    def _event(self, event: Event) -> None:
        if event.state == "ACTIVE":
            self._begun[event.message] = event.at
        elif event.state == "ERROR":
            self._answers[event.message] = event
        elif event.state in _WORDS:
            self._tell(event)

    def _tell(self, event: Event) -> None:
        message = self._messages.get(event.message)
        answer = self._answers.pop(event.message, event)
        begun_at = self._begun.pop(event.message, None)
        if message is None or not self._may_tell():
            return
        took = f"{answer.at - begun_at} ms" if begun_at is not None else ""
        told = str(answer.status) if answer.status else (answer.error or "")
        line = Text(time_of(event.at)[11:] + "  ", style="dim")
        line.append(f"{_WORDS[event.state]:<9}", _STYLES[event.state])
        line.append(plain(f"  {told:<4} {took:>8}  ", kept=""), "default")
        line.append(f"{message.method} {plain(message.url)}", "default")
        line.append(_note(event), "dim")
        self._console.print(line, soft_wrap=True)

    def _may_tell(self) -> bool:
        now = self._clock()
        if now - self._window >= 1:
            if self._left_out:
                self._console.print(f"          ... and {self._left_out} more", style="dim")
            self._window, self._shown, self._left_out = now, 0, 0
        self._shown += 1
        if self._shown > _A_SECOND:
            self._left_out += 1
        return self._shown <= _A_SECOND


def _note(event: Event) -> str:
    if event.state == "RETRY" and event.next_at:
        return f"  again at {time_of(event.next_at)[11:]}"
    return "  ringback dlq list" if event.state == "FAILED" else ""
