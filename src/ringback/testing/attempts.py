"""One attempt of the broker in a test: what is sent, which delivery it is, and what was seen of it."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ringback import clock as wall
from ringback.broker.app import Broker
from ringback.broker.changes import Handed
from ringback.wire.http import Outbound
from ringback.wire.signing import sign
from ringback.wire.steps import parse_entries, parse_step


@dataclass(slots=True)
class Attempt(Outbound):
    """A request of the broker that knows what it delivers."""

    handed: Handed = field(kw_only=True)


class KnowingBroker(Broker):
    """The broker, whose requests say what they deliver."""

    def request(self, handed: Handed) -> Outbound:
        """Return the request of one attempt, signed at the real time: receivers compare it with their own clocks."""
        sent = super().request(handed)
        key = self.keyring.current(handed.message.tenant)
        fresh = sign(sent.url, sent.body, key, now_ms=wall.now(), jti=f"jwt_{self.desk.ids.new():016x}")
        headers = [(name, fresh if name == "Upstash-Signature" else value) for name, value in sent.headers]
        return Attempt(sent.method, sent.url, headers, sent.body, sent.timeout_ms, handed=handed)


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a delivery stands: the same for the same delivery of another run of the test.

    Attributes:
        target: the run it belongs to, such as `order` or `order (2nd run)`, or a URL.
        entry: `init`, `r3` for the delivery that step 3 has led to, `p4` for the one that does step 4 of a group, or how
            many messages have gone to that URL.
        kind: `step`, `call`, `call_result`, `failure` or `plain`.
    """

    target: str
    entry: str
    kind: str


@dataclass(slots=True)
class Delivered:
    """One attempt, as it went.

    Attributes:
        number: counted from 1.
        at: when, in milliseconds since the epoch of the test's clock.
        spot: which delivery.
        url: where to.
        run_id: the run it belongs to, "" for none.
        attempt: 0 for the first.
        size: for the delivery that does a member of a parallel group, the size of that; else 1.
        ran: names of the steps whose functions were called.
        asked: calls to the broker's API that were made meanwhile.
        done_to_it: what the test did to it, in words.
        status: the answer's; 0 when there was none.
        error: why there was none.
        body: the answer's.
    """

    number: int
    at: int
    spot: Spot
    url: str
    run_id: str
    attempt: int
    size: int = 1
    ran: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    done_to_it: list[str] = field(default_factory=list)
    status: int = 0
    error: str | None = None
    body: bytes = b""


def group_size(handed: Handed) -> int:
    """Return the size of the parallel group whose member a delivery does, 1 where it does none."""
    if not (handed.message.run and handed.message.run.entry.startswith("p") and handed.list and handed.list.length):
        return 1
    return parse_step(parse_entries(handed.list.json)[-1].body).concurrent


class Spots:
    """Gives each delivery its spot."""

    def __init__(self) -> None:
        self._targets: dict[int, str] = {}
        self._runs: dict[str, int] = {}
        self._messages: dict[int, int] = {}
        self._counts: dict[str, int] = {}

    def of(self, handed: Handed) -> Spot:
        """Return the spot of a delivery."""
        message = handed.message
        if message.run is None:
            return Spot(message.url, str(self._ordinal(message.seq, message.url)), message.kind)
        run = handed.run
        url = run.url if run is not None else message.url
        return Spot(self._run(message.run.run, url), message.run.entry, message.kind)

    def _ordinal(self, seq: int, url: str) -> int:
        if seq not in self._messages:
            self._counts[url] = self._counts.get(url, 0) + 1
            self._messages[seq] = self._counts[url]
        return self._messages[seq]

    def _run(self, seq: int, url: str) -> str:
        if seq not in self._targets:
            name = urlsplit(url).path.rstrip("/").rpartition("/")[2] or url
            count = self._runs[name] = self._runs.get(name, 0) + 1
            self._targets[seq] = name if count == 1 else f"{name} (run {count})"
        return self._targets[seq]
