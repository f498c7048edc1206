"""Annotations of users' functions, one at a time: others of the same function may name what exists for type checkers only."""

import inspect
import sys
import types
import typing
from collections.abc import Callable
from typing import Any


def written(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the annotations by parameter, in order and as they are written; "return" is the result's.

    Raises:
        TypeError: it is nothing that has any.
    """
    if sys.version_info >= (3, 14):
        from annotationlib import Format, get_annotations

        return get_annotations(function, format=Format.FORWARDREF)  # evaluated, but for names that do not exist
    return inspect.get_annotations(function)


def resolved(function: Callable[..., Any], name: str, known: dict[str, Any] | None = None) -> Any:
    """Return the type that one annotation means.

    Args:
        function: where it stands.
        name: of the parameter, or "return".
        known: names that need not be imported there.

    Raises:
        KeyError: there is no such annotation.
        NameError: it names what does not exist while the program runs.
        TypeError: it is no type, or the function is nothing that has annotations.
    """
    alone = types.SimpleNamespace(
        __annotations__={name: written(function)[name]}, __type_params__=getattr(function, "__type_params__", ())
    )
    return typing.get_type_hints(alone, getattr(inspect.unwrap(function), "__globals__", {}), known)[name]
