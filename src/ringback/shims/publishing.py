"""Publishing a task: one message, whose id makes a second try of the same publish harmless."""

import math
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

from ringback import clock
from ringback.client import Broker, Transport, management

_SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")
_LONGEST = 100


@dataclass(slots=True)
class Publisher:
    """Publishes tasks to an endpoint.

    Attributes:
        url: of the endpoint that runs them.
        broker: which; from the environment (`QSTASH_URL`, `QSTASH_TOKEN`) unless given.
        retries: deliveries after the first one, when the endpoint is away, crashes or takes too long.
        queues: names of queues that are queues of the broker too: first in, first out, with their parallelism. Tasks on other
            queues are published at once; the queue's name is a label.
    """

    url: str
    broker: Broker | None = None
    retries: int = 3
    queues: Collection[str] = ()
    _transport: Transport | None = field(default=None, init=False, repr=False)

    def publish(
        self,
        body: str,
        *,
        name: str,
        dedup: str,
        queue: str | None = None,
        at_ms: int | None = None,
        timeout_s: float | None = None,
    ) -> str:
        """Publish a task and return the message's id.

        Args:
            body: JSON text.
            name: the task's name, for a label.
            dedup: what makes this very publish unmistakable.
            queue: its queue.
            at_ms: not before this instant, in milliseconds since the epoch.
            timeout_s: longest time a run may take.

        Raises:
            Refused: the broker says no.
            BrokerUnreachable: it gives no answer.
        """
        headers = {
            "Content-Type": "application/json",
            "Upstash-Retries": str(self.retries),
            "Upstash-Deduplication-Id": f"task-{sha256(dedup.encode()).hexdigest()[:40]}",
            "Upstash-Label": ",".join(_label(text) for text in (name, queue) if text),
        }
        if at_ms is not None and at_ms > clock.now():
            headers["Upstash-Not-Before"] = str(math.ceil(at_ms / 1000))
        if timeout_s is not None:
            headers["Upstash-Timeout"] = f"{math.ceil(timeout_s)}s"
        if queue is not None and queue in self.queues:
            call = management.enqueue(queue, self.url, body.encode(), headers)
        else:
            call = management.publish(self.url, body.encode(), headers)
        answer: Any = self._way().send(replace(call, repeatable=True))
        return str(answer["messageId"])

    def known_broker(self) -> Broker:
        """Return the broker, read from the environment when it is first asked for.

        Raises:
            SettingMissing: the environment names none.
        """
        if self.broker is None:
            self.broker = Broker.from_env()
        return self.broker

    def close(self) -> None:
        """Give the connections back."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def _way(self) -> Transport:
        if self._transport is None:
            self._transport = Transport(self.known_broker())
        return self._transport


def _label(text: str) -> str:
    return "".join(char if char in _SAFE else "-" for char in text)[:_LONGEST]
