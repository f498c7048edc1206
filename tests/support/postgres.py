"""A PostgreSQL server of the test run's own, and a fresh database for each test."""

import asyncio
import getpass
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ringback.broker.stores.postgres import schema
from ringback.broker.stores.rows import TABLES

_DEBIAN = Path("/usr/lib/postgresql")
_ACCOUNTS = ("postgres", "nobody")
LIMIT = 60.0


@dataclass
class Server:
    """A running server.

    Attributes:
        folder: its data.
        port: where it listens, on 127.0.0.1 and in `folder`.
        durable: whether it waits for the disk.
        databases: how many were made.
        common: the database of `emptied`.
    """

    folder: Path
    port: int
    durable: bool = False
    databases: int = 0
    common: str = ""
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = ["-D", str(self.folder / "data"), "-p", str(self.port), "-h", "127.0.0.1", "-k", str(self.folder)]
        options += [
            "-c",
            "max_connections=100",
            "-c",
            "shared_buffers=64MB",
            "-c",
            f"fsync={'on' if self.durable else 'off'}",
        ]
        options += ["-c", "max_wal_size=4GB"]
        with (self.folder / "log").open("ab") as log:
            line = _as_somebody([_program("postgres"), *options])
            self.process = subprocess.Popen(line, stdout=log, stderr=log, cwd=self.folder)
        end = time.monotonic() + LIMIT
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"PostgreSQL did not start: {(self.folder / 'log').read_text()[-2000:]}")
            threading.Event().wait(0.05)

    def answers(self) -> bool:
        """Whether it takes connections."""
        line = [_program("pg_isready"), "-q", "-U", "postgres", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(line, check=False).returncode == 0

    def stop(self, how: str = "immediate") -> None:
        """Stop it: `immediate` is a crash, `fast` breaks connections off in an orderly way."""
        assert self.process is not None
        line = [_program("pg_ctl"), "stop", "-D", str(self.folder / "data"), "-m", how, "-w", "-s"]
        subprocess.run(_as_somebody(line), check=True, cwd=self.folder, timeout=LIMIT)
        self.process.wait(LIMIT)

    def address(self, database: str) -> str:
        """Return the address of a database."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def fresh(self) -> str:
        """Make a database; return its address."""
        self.databases += 1
        name = f"test_{self.databases}"
        self.query("postgres", f"CREATE DATABASE {name}")
        return self.address(name)

    def emptied(self) -> str:
        """Return the address of a database without records: quicker to have than a fresh one."""
        if not self.common:
            self.common = self.fresh()
            with ThreadPoolExecutor(1) as beside:  # whoever asks may have a loop of its own
                beside.submit(asyncio.run, schema.migrate(self.common)).result()
        emptying = "".join(f"DELETE FROM ringback.{table.name};" for table in TABLES.values())
        self.query(self.common.rpartition("/")[2], emptying)
        return self.common

    def query(self, database: str, statement: str) -> str:
        """Run a statement; return what `psql` prints, without decoration."""
        line = [_program("psql"), "-X", "-A", "-t", "-q", self.address(database), "-c", statement]
        return subprocess.run(line, check=True, capture_output=True, text=True, timeout=LIMIT).stdout.strip()


@contextmanager
def serving(*, durable: bool = False) -> Iterator[Server]:
    """Run a server for the length of a block; one that is not durable survives its own crash, not that of the machine."""
    folder = Path(tempfile.mkdtemp(prefix="ringback-pg-"))
    try:
        if os.getuid() == 0:
            shutil.chown(folder, _account())
        line = [_program("initdb"), "-D", str(folder / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8"]
        subprocess.run(
            _as_somebody([*line, "--locale=C.UTF-8", "-N"]), check=True, stdout=subprocess.DEVNULL, cwd=folder
        )
        server = Server(folder, _free_port(), durable)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


def _program(name: str) -> str:
    """Return where a program is; Debian keeps those of the server out of the way."""
    found = shutil.which(name)
    if found:
        return found
    for folder in sorted(_DEBIAN.glob("*/bin"), reverse=True):
        if (folder / name).exists():
            return str(folder / name)
    raise RuntimeError(f"{name} was not found: install PostgreSQL 14 or newer (apt-get install postgresql)")


def _as_somebody(line: list[str]) -> list[str]:
    """PostgreSQL refuses to run as root."""
    if os.getuid() != 0:
        return line
    account = _account()
    return ["setpriv", f"--reuid={account}", f"--regid={_group(account)}", "--clear-groups", *line]


def _account() -> str:
    import pwd

    known = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in _ACCOUNTS if name in known), getpass.getuser())


def _group(account: str) -> str:
    import pwd

    return str(pwd.getpwnam(account).pw_gid)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
