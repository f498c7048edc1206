"""What would have gone wrong in production: this file says it in words."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

NEAR = 0.8
"""Share of a limit from which on a request is worth a warning."""

QUEUES = frozenset({"arq", "bullmq", "celery", "dramatiq", "huey", "kombu", "procrastinate", "rq", "taskiq"})
"""Packages whose workers pull jobs."""


class Severity(IntEnum):
    """How bad a finding is; the command ends with the worst one's number as its exit status."""

    WARNING = 10
    ERROR = 20


@dataclass(slots=True)
class Life:
    """How long an instance has been there and how long it could run, in seconds, and how often it was frozen."""

    alive_s: float = 0.0
    awake_s: float = 0.0
    freezes: int = 0

    def __add__(self, other: "Life") -> "Life":
        """Return both together."""
        return Life(self.alive_s + other.alive_s, self.awake_s + other.awake_s, self.freezes + other.freezes)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that would have gone wrong.

    Attributes:
        rule: a short name that stays the same, for filters.
        severity: how bad it is.
        what: what was seen, in words.
        where: request or place in the code.
        remedy: what to do.
    """

    rule: str
    severity: Severity
    what: str
    where: str
    remedy: str


_PUSH = "publish the job to a queue that calls this application back, long ones as workflows of short steps"


def starved(what: str, where: str, packages: Iterable[str], life: Life, *, own: bool) -> Finding:
    """A loop that is meant to run for ever ran only while requests were answered.

    Args:
        what, where: `task` or `thread`, and its place.
        packages: installed packages it runs through.
        life: of its instances.
        own: whether it is the application's own code; what a package does by itself, unless it is a queue, may matter less.
    """
    queues = sorted(QUEUES.intersection(packages))
    matters = own or bool(queues)
    name = f"a worker of {', '.join(queues)}" if queues else f"a background {what}"
    stays = "The jobs in its queue stay waiting" if queues else "What it is to do stays undone"
    return Finding(
        "starved-loop",
        Severity.ERROR if matters else Severity.WARNING,
        f"{name} starved: an instance without a request is frozen, which happened {_times(life.freezes)}; "
        f"it ran for {life.awake_s:.1f} of {life.alive_s:.1f} s. {stays}",
        where,
        _PUSH,
    )


def left_behind(what: str, where: str, request: str, *, own: bool) -> Finding:
    """Something was still working when the response was sent."""
    return Finding(
        "work-after-response",
        Severity.ERROR if own else Severity.WARNING,
        f"a {what} was still working when the response was sent: it stands still until another request comes, if one comes",
        f"{where}, after {request}",
        "do the work before answering, or " + _PUSH,
    )


def child_left(command: str, request: str) -> Finding:
    """A child process was still working when the response was sent."""
    return Finding(
        "process-after-response",
        Severity.ERROR,
        f"a child process was still working when the response to {request} was sent, and is frozen with the instance",
        command,
        "run it before answering if it is short; else move it to a service of its own",
    )


def stale_connection(peer: str, request: str) -> Finding:
    """A connection from before a freeze was used after it."""
    return Finding(
        "connection-across-freeze",
        Severity.WARNING,
        f"a connection to {peer} was kept across a freeze and used after it: in production the other side may have closed it",
        f"to {peer}, in {request}",
        "check connections before use (pool_pre_ping, health_check_interval), or open them in the request",
    )


def written(path: str, where: str, *, refused: bool) -> Finding:
    """A file was written outside the temporary folder."""
    told = "and was refused" if refused else "and will be gone with the instance"
    return Finding(
        "write-outside-temp",
        Severity.ERROR if refused else Severity.WARNING,
        f"{path} was to be written outside the temporary folder {told}",
        where,
        "write below tempfile.gettempdir(), and keep what must last in a store outside",
    )


def local_database(path: str, where: str) -> Finding:
    """An SQLite database outside the temporary folder was opened."""
    return Finding(
        "local-database",
        Severity.ERROR,
        f"the SQLite database {path} was opened: no other instance sees what this one writes, if it can write at all",
        where,
        "use a database that is reached over the network",
    )


def not_shared(name: str, changed_by: str, instance: str, other: str, request: str) -> Finding:
    """A variable was changed in one instance, and another answered without that change."""
    return Finding(
        "memory-not-shared",
        Severity.WARNING,
        f"{name} was changed by {changed_by} in {instance}; {other} answered {request} without it",
        name,
        "keep it in a store; in memory only what can be missing, such as a cache",
    )


def over_or_near(rule: str, request: str, amount: float, limit: float, unit: str, remedy: str) -> list[Finding]:
    """Return a finding when an amount is near its limit or over it."""
    if amount > limit:
        return [
            Finding(
                rule, Severity.ERROR, f"{_number(amount)} {unit}: over the limit of {_number(limit)}", request, remedy
            )
        ]
    if amount > NEAR * limit:
        return [
            Finding(
                rule, Severity.WARNING, f"{_number(amount)} {unit}: near the limit of {_number(limit)}", request, remedy
            )
        ]
    return []


def body(request: str, amount: float, limit: float, which: str) -> list[Finding]:
    """Return a finding when a body is near its limit or over it."""
    remedy = "pass large things by reference: upload them to storage, send the address"
    return over_or_near(f"{which}-body", request, amount, limit, f"bytes of {which} body", remedy)


def lasted(request: str, seconds: float, limit: float) -> list[Finding]:
    """Return a finding when a request lasted nearly as long as it may."""
    remedy = "split the work into steps that are separate requests (a workflow)"
    return over_or_near("duration", request, round(seconds, 2), limit, "seconds", remedy)


def overdue(request: str, limit: float, *, killed: bool) -> Finding:
    """A request lasted longer than it may."""
    then = (
        "the instance was killed in the middle of it"
        if killed
        else "the caller was told so while the work went on unheard"
    )
    return Finding(
        "duration",
        Severity.ERROR,
        f"it took longer than the {_number(limit)} seconds it may: {then}",
        request,
        "split the work into steps that are separate requests (a workflow), each safe to repeat",
    )


def too_much_memory(request: str, used_mb: float, limit_mb: float) -> Finding:
    """An instance was killed for its memory."""
    return Finding(
        "memory",
        Severity.ERROR,
        f"the instance took {used_mb:.0f} MiB of the {_number(limit_mb)} it may and was killed",
        request,
        "give it more memory, or hold less at once",
    )


def memory_near(request: str, used_mb: float, limit_mb: float) -> list[Finding]:
    """Return a finding when an instance's memory was near the limit."""
    if used_mb <= NEAR * limit_mb:
        return []
    what = f"the instance took {used_mb:.0f} MiB of the {_number(limit_mb)} it may"
    return [Finding("memory", Severity.WARNING, what, request, "give it more memory, or hold less at once")]


def crashed(request: str, status: int) -> Finding:
    """An instance ended by itself."""
    return Finding(
        "crash",
        Severity.ERROR,
        f"the instance ended by itself with status {status}",
        request,
        "its own words stand in the log above",
    )


def not_started(instance: str, told: str) -> Finding:
    """The application could not be started."""
    return Finding(
        "start",
        Severity.ERROR,
        f"{instance} could not be started: {told.splitlines()[-1].strip()}",
        told.splitlines()[0],
        "it must start with the platform's environment and file system alone",
    )


def refused(request: str, most: int) -> Finding:
    """No instance was free."""
    return Finding(
        "no-instance",
        Severity.WARNING,
        f"all {most} instances were busy and the caller was answered 429",
        request,
        "answer sooner, allow more instances, or let a queue limit the rate",
    )


def counted(count: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _number(value: float) -> str:
    return f"{value:,.2f}".rstrip("0").rstrip(".")
