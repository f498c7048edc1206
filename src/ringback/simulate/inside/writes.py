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
    "os.mkdir": (0, 2),
    "os.rmdir": (0, 1),
    "os.remove": (0, 1),
    "os.truncate": (0, None),
    "os.rename": (1, 3),
    "os.link": (1, 3),
    "os.symlink": (1, 2),
}
"""Audit events that change the file system: which argument says where, and which the open folder it is relative to."""
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
        place, folder = _CHANGING[event]
        path = arguments[place]
        if not isinstance(path, str | bytes | os.PathLike):
            return None
        return _below(os.fsdecode(path), arguments[folder] if folder is not None else -1)
    return None


def _below(path: str, folder: int) -> str | None:
    """Return a path that is relative to an open folder, as `shutil.rmtree` names them; None where the system does not tell."""
    if folder < 0 or Path(path).is_absolute():
        return path
    try:
        return str(Path(f"/proc/self/fd/{folder}").readlink() / path)
    except OSError:
        return None
