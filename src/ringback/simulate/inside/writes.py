"""Writes outside the temporary folder: this file sees them, and refuses them where the platform does."""

import errno
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ringback.simulate.inside.landlock import only_writable
from ringback.simulate.inside.places import calling, short
from ringback.simulate.inside.reports import Reports

_CHANGING = {
    "os.mkdir": 0,
    "os.rmdir": 0,
    "os.remove": 0,
    "os.truncate": 0,
    "os.rename": 1,
    "os.link": 1,
    "os.symlink": 1,
}
"""Audit events that change the file system, and which argument says where."""
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_SYSTEM = ("/dev", "/proc")


class Writes:
    """Watches this process's writes.

    Args:
        reports: where each is told.
        allowed: folders that may be written.
        refuse: whether others are refused.
    """

    def __init__(self, reports: Reports, allowed: Sequence[str], *, refuse: bool) -> None:
        self._reports, self._refuse = reports, refuse
        self._allowed = tuple(os.path.realpath(one) for one in (*allowed, *_SYSTEM))
        self._looking = threading.local()

    def watch(self) -> str:
        """Begin; return what holds the rule: `kernel`, `python` (only Python's own calls are refused) or `nothing`."""
        by_kernel = self._refuse and only_writable(one for one in self._allowed if Path(one).is_dir())
        sys.addaudithook(self._hook)
        return ("kernel" if by_kernel else "python") if self._refuse else "nothing"

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        written = _written(event, arguments)
        if written is None or getattr(self._looking, "now", False):
            return
        self._looking.now = True
        try:
            path = os.path.realpath(os.fsdecode(written))
            if any(path == one or path.startswith(one + "/") for one in self._allowed):
                return
            self._reports.say("write", path=short(path), place=calling(), database=event == "sqlite3.connect")
        finally:
            self._looking.now = False
        if self._refuse and event != "sqlite3.connect":
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)


def _written(event: str, arguments: tuple[Any, ...]) -> str | bytes | None:
    """Return the path that an audit event writes to, None if it writes to none."""
    if event == "open":
        path, _, flags = arguments
        return path if isinstance(path, str | bytes) and flags & _WRITING else None
    if event == "sqlite3.connect":
        path = arguments[0]
        named = isinstance(path, str | bytes | os.PathLike) and os.fsdecode(path)
        return None if not named or ":memory:" in named or named.startswith("file:") else named
    if event in _CHANGING:
        path = arguments[_CHANGING[event]]
        return os.fspath(path) if isinstance(path, str | bytes | os.PathLike) else None
    return None
