"""What was seen of the instances: this file keeps it and draws the findings that need more than one look."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ringback.simulate import findings
from ringback.simulate.findings import Finding, Life

MOST_FINDINGS = 200
"""What comes beyond them is more of the same, or the report is hopeless anyway."""

MANY_REQUESTS = 5
"""A task or thread that outlives so many requests is a loop; a short one may outlive a few, because it is frozen with them."""


@dataclass(slots=True)
class _Work:
    """Work at one place that went on without a request.

    Attributes:
        request: after which it was first seen.
        instances: where it was seen.
        counts: after how many requests each task or thread that goes on was seen, by instance and its id.
        is_loop: whether it began before any request, outlived many, or is the worker of a queue.
    """

    what: str
    where: str
    own: bool
    packages: tuple[str, ...]
    request: str
    is_loop: bool = False
    instances: set[str] = field(default_factory=set)
    counts: dict[tuple[str, int], int] = field(default_factory=dict)

    def finding(self, lives: Mapping[str, Life]) -> Finding:
        """A loop starves; anything else was left behind."""
        if self.is_loop:
            life = sum((lives[name] for name in self.instances if name in lives), Life())
            return findings.starved(self.what, self.where, self.packages, life, own=self.own)
        return findings.left_behind(self.what, self.where, self.request, own=self.own)


@dataclass(frozen=True, slots=True)
class _Change:
    """A variable's last known content, and who made it so."""

    digest: str
    instance: str
    request: str


class Ledger:
    """Everything worth telling, each thing once."""

    def __init__(self) -> None:
        self._noted: dict[tuple[str, int, str], Finding] = {}
        self._work: dict[str, _Work] = {}
        self._connections: dict[str, dict[str, tuple[str, int]]] = {}
        self._frozen: dict[str, dict[str, int]] = {}
        self._first: dict[str, dict[str, str]] = {}
        self._changes: dict[str, _Change] = {}

    def note(self, *found: Finding) -> None:
        """Keep findings; of those with the same rule, place and severity the first."""
        for one in found:
            if len(self._noted) < MOST_FINDINGS:
                self._noted.setdefault((one.rule, one.severity, one.where), one)

    def started(self, instance: str, work: Sequence[Mapping[str, Any]], state: Mapping[str, str]) -> None:
        """Take in what an instance was doing and holding when it was ready for its first request."""
        self._first[instance] = dict(state)
        for one in work:
            self._piece(one, "its start").is_loop = True

    def ended(self, instance: str, request: str, said: Mapping[str, Any]) -> None:
        """Take in what was left when a request ended.

        Args:
            instance, request: their names.
            said: the instance's report.
        """
        if said["work"] is not None:
            self._take_work(instance, request, said["work"])
        self._connections[instance] = {key: (peer, count) for key, (peer, count) in said["connections"].items()}
        for key, (peer, count) in self._connections[instance].items():
            if count > self._frozen.get(instance, {}).get(key, count):
                self.note(findings.stale_connection(peer, request))
        self._compare(instance, request, said["state"])

    def froze(self, instance: str) -> None:
        """Remember which connections were open at a freeze: their use after it is told."""
        open_ones = self._connections.get(instance, {})
        self._frozen[instance] = {key: count for key, (_, count) in open_ones.items()}

    def forget(self, instance: str) -> None:
        """Drop what only a living instance needs."""
        for kept in (self._connections, self._frozen, self._first):
            kept.pop(instance, None)

    def findings(self, lives: Mapping[str, Life]) -> list[Finding]:
        """Return the findings, the worst first.

        Args:
            lives: of all instances there have been, by name.
        """
        seen = [one for one in self._work.values() if one.instances]
        found = [*(one.finding(lives) for one in seen), *self._noted.values()]
        return sorted(found, key=lambda one: -one.severity)

    def _take_work(self, instance: str, request: str, work: Sequence[Mapping[str, Any]]) -> None:
        going_on = {(instance, one["id"]) for one in work}
        for piece in self._work.values():
            piece.counts = {key: count for key, count in piece.counts.items() if key[0] != instance or key in going_on}
        for one in work:
            piece, key = self._piece(one, request), (instance, one["id"])
            piece.instances.add(instance)
            piece.counts[key] = piece.counts.get(key, 0) + 1
            piece.is_loop |= piece.counts[key] >= MANY_REQUESTS

    def _piece(self, told: Mapping[str, Any], request: str) -> _Work:
        """Return the work that is meant; a worker, and what a package does by itself, is one piece of many tasks."""
        packages = tuple(told["packages"])
        queues = [one for one in packages if one in findings.QUEUES]
        key = f"package {(queues or packages)[0]}" if queues or (packages and not told["own"]) else told["where"]
        new = _Work(told["what"], told["where"], told["own"], packages, request, is_loop=bool(queues))
        piece = self._work.setdefault(key, new)
        if told["own"] and not piece.own:
            piece.where, piece.own = told["where"], True
        return piece

    def _compare(self, instance: str, request: str, changed: Mapping[str, str]) -> None:
        """Tell of variables that another instance has changed and this one answered without."""
        first = self._first.get(instance, {})
        for name, change in self._changes.items():
            if change.instance != instance and changed.get(name, first.get(name)) != change.digest:
                self.note(findings.not_shared(name, change.request, change.instance, instance, request))
        for name, digest in changed.items():
            known = self._changes.get(name)
            if known is None or known.instance == instance:
                self._changes[name] = _Change(digest, instance, known.request if known else request)
