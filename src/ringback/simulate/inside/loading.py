"""Which kind of application it is: this file loads MODULE:APP and tells ASGI, WSGI and Lambda handlers apart."""

import importlib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

Interface = Literal["asgi", "wsgi", "lambda"]
_USUAL = ("app", "application", "handler", "lambda_handler")


class NotAnApplication(Exception):
    """The target cannot be run; the text says what was expected."""


def load(target: str) -> Any:
    """Import an application from the current folder.

    Raises:
        NotAnApplication: there is no such name in the module. What the import itself raises is let through.
    """
    module_name, _, name = target.partition(":")
    sys.path.insert(0, str(Path.cwd()))
    module = importlib.import_module(module_name)
    found: Any = module
    for part in (name or next((one for one in _USUAL if hasattr(module, one)), "app")).split("."):
        found = getattr(found, part, None)
    if found is None:
        raise NotAnApplication(f"{module_name} has no {name or ', '.join(_USUAL)}; expected MODULE:APP")
    return found


def interface_of(app: Any, platform: str) -> Interface:
    """Return how an application is called.

    Raises:
        NotAnApplication: it cannot be called with what any of the three gives.
    """
    call = app if inspect.isroutine(app) or inspect.isclass(app) else getattr(app, "__call__", None)  # noqa: B004 - its signature is wanted
    if not callable(app) or call is None:
        raise NotAnApplication(f"{app!r} is no application: expected ASGI, WSGI or a Lambda handler")
    names = [one.name for one in parameters_of(call) if one.default is one.empty]
    if inspect.iscoroutinefunction(call) or len(names) == 3:
        return "asgi"
    if len(names) != 2 and names != ["args", "kwargs"]:
        raise NotAnApplication(f"it takes {', '.join(names) or 'nothing'}: expected ASGI, WSGI or a Lambda handler")
    is_wsgi = names[0] in ("environ", "env") or not (inspect.isroutine(app) or names[0] == "event")
    return "lambda" if platform == "lambda" and not is_wsgi else "wsgi"


def parameters_of(call: Callable[..., Any]) -> list[inspect.Parameter]:
    """Return what a callable takes, whatever it is annotated with: WSGI's own types exist for type checkers only."""
    if sys.version_info >= (3, 14):
        from annotationlib import Format

        return list(inspect.signature(call, annotation_format=Format.STRING).parameters.values())
    return list(inspect.signature(call).parameters.values())
