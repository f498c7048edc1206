"""What the application keeps in memory: this file sums up its module variables, so that instances can be compared."""

import hashlib
import sys
from collections import deque
from pathlib import Path
from types import ModuleType
from typing import Any

from ringback.simulate.inside.places import package_of

MOST_NAMES = 500
_MOST_ITEMS = 200
_SCALARS = (int, float, str, bytes, bool, type(None))


class Memory:
    """The application's module variables since its start.

    Args:
        folder: where its modules are.
        app: the application; what frameworks keep at `app.state` counts too.
    """

    def __init__(self, folder: Path, app: Any) -> None:
        self._folder, self._app = str(folder), app
        self._first = self._all()

    def changed(self) -> dict[str, str]:
        """Return digests of the variables that are not as they were at the start."""
        now = self._all()
        return {name: digest for name, digest in now.items() if self._first.get(name) != digest}

    def start(self) -> dict[str, str]:
        """Return digests of all variables as they were at the start."""
        return self._first

    def _all(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, module in list(sys.modules.items()):
            if self._is_own(module):
                for key, value in list(vars(module).items()):
                    _note(found, f"{name}.{key}", key, value)
        kept = getattr(getattr(self._app, "state", None), "_state", None)
        for key, value in list(kept.items()) if isinstance(kept, dict) else []:
            _note(found, f"app.state.{key}", key, value)
        return found

    def _is_own(self, module: ModuleType) -> bool:
        path = getattr(module, "__file__", None) or ""
        return path.startswith(self._folder + "/") and package_of(path) is None


def _note(found: dict[str, str], name: str, key: str, value: Any) -> None:
    plain = isinstance(value, (*_SCALARS, list, dict, set, deque, bytearray))
    if plain and not key.startswith("__") and len(found) < MOST_NAMES:
        try:
            found[name] = hashlib.sha256(_sum(value, 3).encode("utf-8", "replace")).hexdigest()[:16]
        except RuntimeError:
            return  # it changed while we looked


def _sum(value: Any, depth: int) -> str:
    """Return a text that differs when plain values differ; objects count by their type, long containers by length."""
    if isinstance(value, _SCALARS):
        return repr(value)[:1000]
    if depth == 0 or not isinstance(value, (list, tuple, dict, set, deque, bytearray)) or len(value) > _MOST_ITEMS:
        try:
            return f"{type(value).__name__}[{len(value)}]"
        except (TypeError, AttributeError, OSError, RuntimeError, ValueError):  # a class, or one that cannot tell now
            return f"{type(value).__name__}[]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{_sum(key, depth - 1)}:{_sum(one, depth - 1)}" for key, one in value.items()) + "}"
    parts = [_sum(one, depth - 1) for one in value]
    return "[" + ",".join(sorted(parts) if isinstance(value, set) else parts) + "]"
