"""A broker in a process of its own, on a core of its own, and what it costs."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


def cpu_seconds(pid: int, *, ended: bool = False) -> float:
    """Return the processor time a process has used, in user and kernel mode, with that of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(map(int, fields[11 : 15 if ended else 13])) / os.sysconf("SC_CLK_TCK")


def rss_mib(pid: int) -> float:
    """Return the memory a process holds."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


@dataclass(frozen=True)
class Broker:
    """A broker that runs; `told` is what an application has to be told of it, as environment variables."""

    process: "subprocess.Popen[str]"
    url: str
    token: str
    started_in: float
    told: dict[str, str]

    @property
    def pid(self) -> int:
        """Its process."""
        return self.process.pid

    @property
    def headers(self) -> dict[str, str]:
        """What a call to it has to carry."""
        return {"Authorization": f"Bearer {self.token}"}


def other_core() -> int | None:
    """Keep this process on the first core, and return one that is left for a broker; None where there is only one."""
    if (os.cpu_count() or 1) == 1:
        return None
    os.sched_setaffinity(0, {0})
    return 1


@contextmanager
def scratch() -> Iterator[Path]:
    """Give a folder for the length of a block; it lies in the checkout, because /tmp may be kept in memory."""
    with tempfile.TemporaryDirectory(dir=".", prefix=".bench-") as folder:
        yield Path(folder)


@contextmanager
def broker(database: Path | str, core: int | None = None) -> Iterator[Broker]:
    """Run a broker on a database for the length of a block, on one core if told so."""
    pin = ["taskset", "-c", str(core)] if core is not None else []
    command = [*pin, sys.executable, "-m", "ringback", "dev", "--port", "0", "--db", str(database)]
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"})
    told: dict[str, str] = {}
    assert process.stdout
    for line in process.stdout:
        name, separator, value = line.strip().partition("=")
        if separator:
            told[name] = value
        if name == "QSTASH_NEXT_SIGNING_KEY":
            break
    else:
        raise SystemExit("the broker did not start")
    try:
        yield Broker(process, told["QSTASH_URL"], told["QSTASH_TOKEN"], time.perf_counter() - begun, told)
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()
