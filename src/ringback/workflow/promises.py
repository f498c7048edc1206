"""The type a function promises as its result, read from its annotation."""

import types
import typing
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, get_args, get_origin
from weakref import WeakKeyDictionary

_RESOLVED: WeakKeyDictionary[Callable[..., Any], Any] = WeakKeyDictionary()
"""Annotations of functions that still exist: one that is made for each delivery is not kept for their sake."""


def promised(function: Callable[..., Any]) -> Any:
    """Return the type a function's annotation promises as its result; `Any` when there is none."""
    while isinstance(function, partial):
        function = function.func
    if isinstance(function, type):
        return function
    if not hasattr(function, "__annotations__") and callable(function):
        function = type(function).__call__
    try:
        written = function.__annotations__.get("return", Any)
        if written is Any or isinstance(written, type):
            return written  # nothing to resolve, which takes its time
        return _return_type(function)
    except (NameError, TypeError, AttributeError):
        return Any  # names that exist for type checkers only, or a callable without annotations


def _return_type(function: Callable[..., Any]) -> Any:
    """Return the resolved annotation; resolving it takes longer than everything else a short step costs."""
    if not isinstance(function, types.FunctionType):
        return _resolved(function)
    known = _RESOLVED.get(function)
    if known is None:
        known = _RESOLVED[function] = _resolved(function)
    return known


def _resolved(function: Callable[..., Any]) -> Any:
    result = typing.get_type_hints(function)["return"]
    if isinstance(get_origin(result), type) and issubclass(get_origin(result), Awaitable):
        return (get_args(result) or (Any,))[-1]
    return result
