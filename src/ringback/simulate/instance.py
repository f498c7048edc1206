"""One instance seen from outside: this file starts, freezes, thaws and ends its processes."""

import asyncio
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from ringback.errors import RingbackError
from ringback.simulate.findings import Life
from ringback.simulate.platforms import Platform

MIB = 1024 * 1024
_LONGEST_LINE = 4 * MIB
_REMEMBERED_LINES = 40
_NEEDED = frozenset({"PATH", "HOME", "LANG", "LC_ALL", "TZ", "VIRTUAL_ENV"})
"""Variables of the machine rather than of its user."""


DID_NOT_START = "it did not start"


class InstanceFailed(RingbackError):
    """The application could not be started; the text has its last words."""


@dataclass(frozen=True, slots=True)
class Application:
    """What is deployed.

    Attributes:
        target: `MODULE:APP`.
        folder: where it is imported from.
        environment: variables it gets beside those of the platform.
        inherits: whether it gets the simulator's own variables, too.
        writable: folders it may write beside the temporary one.
        host: host and port at which the deployment is reached.
    """

    target: str
    folder: Path
    environment: Mapping[str, str]
    inherits: bool
    writable: Sequence[Path]
    host: str


class Instance:
    """A process that runs the application, and the children it starts.

    Attributes:
        name: `instance 1` and so on.
        in_flight: ids of the requests it works on, with their names.
        retired: whether it takes no new ones.
        port: where it listens on 127.0.0.1.
        ended_by: why it ended, empty while it lives.
        guard, interface: what it said about itself.
    """

    def __init__(self, name: str, report: Callable[["Instance", dict[str, Any]], None]) -> None:
        self.name = name
        self.in_flight: dict[str, str] = {}
        self.retired = False
        self.port = 0
        self.ended_by = ""
        self.guard = self.interface = ""
        self.served = 0
        self.most_memory_mb = 0.0
        self.started = asyncio.Event()
        self.ended = asyncio.Event()
        self._report = report
        self._process: asyncio.subprocess.Process | None = None
        self._frozen: list[psutil.Process] = []
        self._words: list[str] = []
        self._reading: list[asyncio.Task[None]] = []
        self._temp = tempfile.TemporaryDirectory(prefix="ringback-instance-", ignore_cleanup_errors=True)
        self._life, self._since, self._is_awake = Life(), _monotonic(), True

    @property
    def busy_with(self) -> str:
        """The requests it works on, in words."""
        return ", ".join(dict.fromkeys(self.in_flight.values())) or "no request"

    @property
    def is_frozen(self) -> bool:
        """Whether it stands still."""
        return bool(self._frozen)

    async def start(self, application: Application, platform: Platform) -> None:
        """Start the process and wait until it listens.

        Raises:
            InstanceFailed: it ended, or did not listen in time.
        """
        inner, outer = os.pipe()
        try:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "ringback.simulate.inside", self._settings(application, platform, outer)),
                cwd=application.folder,
                env=self._environment(application, platform),
                pass_fds=(outer,),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                limit=_LONGEST_LINE,
                start_new_session=True,
            )
        finally:
            os.close(outer)
        self._reading = [
            asyncio.create_task(self._listen(inner)),
            asyncio.create_task(self._log(self._process.stdout)),
            asyncio.create_task(self._await_end(self._process)),
        ]
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.started.wait(), platform.start_s)
        if not self.port:
            ended = self.started.is_set()
            await self.end(DID_NOT_START)
            told = "".join(f"\n  {line}" for line in self._words)
            how = "ended before it took a request" if ended else f"did not start within {platform.start_s:g} s"
            raise InstanceFailed(f"{application.target} {how}{told}")

    def freeze(self) -> list[str]:
        """Stop it and its children where they are; return the commands of the children that were still working."""
        self._turn(awake=False)
        self._life.freezes += 1
        self._frozen = self._processes()
        for one in self._frozen:
            with contextlib.suppress(psutil.Error):
                one.suspend()
        return [command for one in self._frozen[1:] if (command := _command(one))]

    def thaw(self) -> None:
        """Let them go on."""
        if not self._frozen:
            return
        self._turn(awake=True)
        for one in reversed(self._frozen):
            with contextlib.suppress(psutil.Error):
                one.resume()
        self._frozen = []

    async def end(self, why: str) -> None:
        """Kill it and its children, as a platform does: without notice."""
        self.retired = True
        self.ended_by = self.ended_by or why
        for one in self._processes():
            with contextlib.suppress(psutil.Error):
                one.kill()
        if self._process:
            await self.ended.wait()
            _, pending = await asyncio.wait(self._reading, timeout=1)  # a child that got away may hold a pipe open
            for one in pending:
                one.cancel()
        self._temp.cleanup()

    def memory_mb(self) -> float:
        """Return the memory that it and its children have in use, in MiB."""
        total = 0.0
        for one in self._processes():
            with contextlib.suppress(psutil.Error):
                total += one.memory_info().rss / MIB
        self.most_memory_mb = max(self.most_memory_mb, total)
        return total

    def life(self) -> Life:
        """Return how long it has lived, and how long awake."""
        self._turn(awake=self._is_awake)
        return self._life

    def _turn(self, *, awake: bool) -> None:
        now = _monotonic()
        if not self.ended.is_set():
            self._life.alive_s += now - self._since
            self._life.awake_s += now - self._since if self._is_awake else 0
        self._since, self._is_awake = now, awake

    def _settings(self, application: Application, platform: Platform, descriptor: int) -> str:
        temp = tempfile.gettempdir()
        shared = [] if application.folder.resolve().is_relative_to(Path(temp).resolve()) else [temp]
        return json.dumps(
            {
                "target": application.target,
                "descriptor": descriptor,
                "platform": platform.name,
                "ends_with": platform.ends_with,
                "concurrency": platform.concurrency,
                "open_files": platform.open_files,
                "read_only": platform.read_only,
                "writable": [self._temp.name, *shared, *(str(one.resolve()) for one in application.writable)],
            }
        )

    def _environment(self, application: Application, platform: Platform) -> dict[str, str]:
        ours = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1", "TMPDIR": self._temp.name}
        of_platform = platform.environment(application.host, self.name.replace(" ", "-"))
        inherited = (
            os.environ if application.inherits else {name: os.environ[name] for name in _NEEDED & set(os.environ)}
        )
        return {**inherited, **of_platform, **application.environment, **ours}

    async def _listen(self, descriptor: int) -> None:
        reader = asyncio.StreamReader(limit=_LONGEST_LINE)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb")
        )
        try:
            while line := await reader.readline():
                said = json.loads(line)
                if said["kind"] == "ready":
                    self.port, self.guard, self.interface = said["port"], said["guard"], said["interface"]
                    self._life, self._since = Life(), _monotonic()  # the cold start is no time to work in
                self._report(self, said)
                if said["kind"] == "ready":
                    self.started.set()
        finally:
            self.started.set()
            transport.close()

    async def _log(self, output: asyncio.StreamReader | None) -> None:
        while output and (line := await output.readline()):
            text = line.decode(errors="replace").rstrip()
            self._words = [*self._words, text][-_REMEMBERED_LINES:]
            self._report(self, {"kind": "log", "text": text})

    async def _await_end(self, process: asyncio.subprocess.Process) -> None:
        status = await process.wait()
        self._turn(awake=False)
        self.ended.set()
        self._report(self, {"kind": "gone", "status": status})

    def _processes(self) -> list[psutil.Process]:
        """Return its process and all that descend from it; an instance adopts those whose parents have ended."""
        if self._process is None or self._process.returncode is not None:
            return []
        try:
            first = psutil.Process(self._process.pid)
            return [first, *first.children(recursive=True)]
        except psutil.Error:
            return []


def _command(process: psutil.Process) -> str:
    """Return a child's command in short, empty if it is no work: ended, or Python's own helper."""
    try:
        words = process.cmdline()
        idle = process.status() == psutil.STATUS_ZOMBIE or any("resource_tracker" in word for word in words)
    except psutil.Error:
        return ""
    return "" if idle else " ".join(words)[:80]


def _monotonic() -> float:
    return asyncio.get_running_loop().time()
