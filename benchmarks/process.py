"""A broker in a process of its own, on a core of its own, and what it costs."""

import os
import subprocess
import sys
from pathlib import Path


def cpu_seconds(pid: int, *, ended: bool = False) -> float:
    """Return the processor time a process has used, in user and kernel mode, with that of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(map(int, fields[11 : 15 if ended else 13])) / os.sysconf("SC_CLK_TCK")


def rss_mib(pid: int) -> float:
    """Return the memory a process holds."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def start(folder: str, core: int | None) -> tuple[subprocess.Popen[str], dict[str, str]]:
    """Start a broker with a fresh file; return it with the settings it prints."""
    return start_on(f"{folder}/bench.db", core)


def start_on(database: str, core: int | None) -> tuple[subprocess.Popen[str], dict[str, str]]:
    """Start a broker on a database; return it with the settings it prints."""
    pin = ["taskset", "-c", str(core)] if core is not None else []
    command = [*pin, sys.executable, "-m", "ringback", "dev", "--port", "0", "--db", database]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"})
    told: dict[str, str] = {}
    assert process.stdout
    for line in process.stdout:
        name, separator, value = line.strip().partition("=")
        if separator:
            told[name] = value
        if name == "QSTASH_NEXT_SIGNING_KEY":
            return process, told
    raise SystemExit("the broker did not start")
