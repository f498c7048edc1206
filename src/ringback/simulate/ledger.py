"""What was seen of the instances: this file keeps it and draws the findings that need more than one look."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ringback.simulate import findings
from ringback.simulate.findings import Finding


@dataclass(slots=True)
class Life:
    """How long an instance has been there and how long it could run, in seconds, and how often it was frozen."""

    alive_s: float = 0.0
    awake_s: float = 0.0
    freezes: int = 0


@dataclass(slots=True)
class _Work:
    """One piece of work that went on without a request; `seen` has the requests after which it did, by instance."""

    what: str
    where: str
    own: bool
    packages: tuple[str, ...]
    request: str
    seen: dict[str, set[str]] = field(default_factory=dict)
    from_start: bool = False

    def finding(self, lives: Mapping[str, Life]) -> Finding:
        """What began before any request, or outlived several, is a loop that starves; the rest was left behind."""
        if self.from_start or any(len(requests) > 1 for requests in self.seen.values()):
            mine = [lives[name] for name in self.seen if name in lives]
            awake, alive = sum(one.awake_s for one in mine), sum(one.alive_s for one in mine)
            return findings.starved(
                self.what, self.where, self.packages, awake, alive, sum(one.freezes for one in mine)
            )
        return findings.left_behind(self.what, self.where, self.request, own=self.own)


class Ledger:
    """Everything worth telling, each thing once."""

    def __init__(self) -> None:
        self._noted: dict[Finding, None] = {}
        self._work: dict[str, _Work] = {}
        self._connections: dict[str, dict[str, tuple[str, int]]] = {}
        self._frozen: dict[str, dict[str, int]] = {}
        self._first: dict[str, dict[str, str]] = {}
        self._changes: dict[str, tuple[str, str, str]] = {}
        self._told: set[str] = set()

    def note(self, *found: Finding) -> None:
        """Keep findings."""
        self._noted.update(dict.fromkeys(found))

    def started(self, instance: str, work: Sequence[Mapping[str, Any]], state: Mapping[str, str]) -> None:
        """Take in what an instance was doing and holding when it was ready for its first request."""
        self._first[instance] = dict(state)
        for one in work:
            self._piece(one, "its start").from_start = True

    def ended(self, instance: str, request: str, number: str, said: Mapping[str, Any]) -> None:
        """Take in what was left when a request ended.

        Args:
            instance, request: their names.
            number: the request's id.
            said: the instance's report.
        """
        for one in said["work"] or ():
            self._piece(one, request).seen.setdefault(instance, set()).add(number)
        self._connections[instance] = {key: (peer, count) for key, (peer, count) in said["connections"].items()}
        for key, (peer, count) in self._connections[instance].items():
            if count > self._frozen.get(instance, {}).get(key, count):
                self._once(f"connection {peer}", findings.stale_connection(peer, request))
        self._compare(instance, request, said["state"])

    def froze(self, instance: str) -> None:
        """Remember which connections were open at a freeze: their use after it is told."""
        open_ones = self._connections.get(instance, {})
        self._frozen[instance] = {key: count for key, (_, count) in open_ones.items()}

    def findings(self, lives: Mapping[str, Life]) -> list[Finding]:
        """Return the findings, the worst first.

        Args:
            lives: of all instances there have been, by name.
        """
        seen = [one for one in self._work.values() if one.seen]
        found = dict.fromkeys([*(one.finding(lives) for one in seen), *self._noted])
        return sorted(found, key=lambda one: -one.severity)

    def _piece(self, told: Mapping[str, Any], request: str) -> _Work:
        """Return the work that is meant; a worker, and what a package does by itself, is one piece of many tasks."""
        packages = tuple(told["packages"])
        queues = [one for one in packages if one in findings.QUEUES]
        key = f"package {(queues or packages)[0]}" if queues or (packages and not told["own"]) else told["where"]
        piece = self._work.setdefault(key, _Work(told["what"], told["where"], told["own"], packages, request))
        if told["own"] and not piece.own:
            piece.where, piece.own = told["where"], True
        return piece

    def _once(self, key: str, found: Finding) -> None:
        if key not in self._told:
            self._told.add(key)
            self.note(found)

    def _compare(self, instance: str, request: str, changed: Mapping[str, str]) -> None:
        """Tell of variables that another instance has changed and this one answered without."""
        for name, (digest, other, changed_by) in self._changes.items():
            mine = changed.get(name, self._first.get(instance, {}).get(name))
            if other != instance and mine != digest:
                self._once(f"memory {name}", findings.not_shared(name, changed_by, other, instance, request))
        for name, digest in changed.items():
            if name not in self._changes or self._changes[name][1] == instance:
                self._changes[name] = (digest, instance, self._changes.get(name, ("", "", request))[2])
