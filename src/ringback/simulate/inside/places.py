"""Where in the code something is: this file finds the frame that means something to the application's author."""

import sys
import sysconfig
from collections.abc import Iterable
from functools import cache
from importlib.metadata import distributions
from pathlib import Path
from types import FrameType
from typing import NamedTuple

_STANDARD = (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), "<frozen", "<string>")
_INSTALLED = (sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), "site-packages", "dist-packages")
_OURS = str(Path(__file__).parents[1])
SERVERS = frozenset({"uvicorn", "a2wsgi", "anyio", "starlette", "fastapi", "asgiref"})
"""Packages whose own threads and tasks are the machinery of serving."""


class Place(NamedTuple):
    """A place in the code, and the installed packages on the way to it."""

    where: str
    own: bool
    packages: tuple[str, ...]


def place_of(frames: Iterable[FrameType]) -> Place | None:
    """Return the innermost place in the application's own code; else in a package; None if all is machinery.

    Args:
        frames: outermost first.
    """
    own: FrameType | None = None
    foreign: FrameType | None = None
    packages: list[str] = []
    for frame in frames:
        path = frame.f_code.co_filename
        if package := package_of(path):
            if package not in SERVERS:
                packages.append(package)
                foreign = foreign or frame
        elif not path.startswith((*_STANDARD, _OURS)):
            own = frame
    shown = own or foreign
    if shown is None:
        return None
    return Place(_words(shown), own is not None, tuple(dict.fromkeys(packages)))


def package_of(path: str) -> str | None:
    """Return the installed package that a file belongs to, None if it is not in one."""
    for marker in ("site-packages/", "dist-packages/"):
        _, found, rest = path.rpartition(marker)
        if found:
            return rest.partition("/")[0].removesuffix(".py")
    for folder, packages in _bundles().items():
        if path.startswith(folder):
            name = path[len(folder) :].partition("/")[0].removesuffix(".py")
            return name if name in packages else None
    return None


@cache
def _bundles() -> dict[str, frozenset[str]]:
    """Return the folders that hold installed packages beside the application's code, as Lambda's bundles do."""
    folders = [path for path in sys.path if path and not path.startswith((*_STANDARD[:2], *_INSTALLED[:2]))]
    found = {f"{folder.rstrip('/')}/": _packages_in(folder) for folder in folders if Path(folder).is_dir()}
    return {folder: packages for folder, packages in found.items() if packages}


def _packages_in(folder: str) -> frozenset[str]:
    files = (file.parts[0] for one in distributions(path=[folder]) for file in one.files or ())
    return frozenset(name.removesuffix(".py") for name in files)


def calling() -> str:
    """Return the place in the application from which the present call came."""
    frames = []
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - documented
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    found = place_of(reversed(frames))
    return found.where if found else "?"


def _words(frame: FrameType) -> str:
    code = frame.f_code
    name = getattr(code, "co_qualname", code.co_name)
    return f"{short(code.co_filename)}:{frame.f_lineno} in {name}"


def short(path: str) -> str:
    """Return a path without the folder it is known to be in."""
    for base in (str(Path.cwd()), *_INSTALLED[:2]):
        if path.startswith(base + "/"):
            return path[len(base) + 1 :]
    return path
