"""The type a function promises as its result, read from its annotation."""

import inspect
import types
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, get_args, get_origin
from weakref import WeakKeyDictionary

from ringback.workflow.annotations import resolved

_RESOLVED: WeakKeyDictionary[Callable[..., Any], Any] = WeakKeyDictionary()
"""Annotations of functions that still exist: one that is made for each delivery is not kept for their sake."""


def promised(function: Callable[..., Any]) -> Any:
    """Return the type a function's annotation promises as its result; `Any` when there is none."""
    function = _partly_called(function)
    if isinstance(function, type):
        return function
    try:
        if not isinstance(function, types.FunctionType):
            return _resolved(_annotated(function))
        plain = _plain(function)
        return _return_type(function) if plain is None else plain
    except (NameError, TypeError, AttributeError, KeyError):
        return Any  # a name that exists for type checkers only, or a callable without annotations


def unreadable(function: Callable[..., Any]) -> str | None:
    """Return why the annotation of a function's result cannot be read, None if it can or there is none."""
    try:
        resolved(_annotated(_partly_called(function)), "return")
    except NameError as error:
        return str(error)
    except (TypeError, AttributeError, KeyError):
        return None
    return None


def _partly_called(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return what a partial call will call, or the function itself."""
    while isinstance(function, partial):
        function = function.func
    return function


def _plain(function: types.FunctionType) -> Any:
    """Return an annotation that there is nothing to resolve about, which takes its time; else None."""
    try:
        written = function.__annotations__.get("return", Any)
    except NameError:  # since Python 3.14 they are evaluated when they are read, all of them
        return None
    return written if written is Any or isinstance(written, type) else None


def _annotated(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return what carries the annotations: what is in a cache, or the method that makes an object callable."""
    function = inspect.unwrap(function)
    return function if inspect.isroutine(function) else type(function).__call__


def _return_type(function: types.FunctionType) -> Any:
    """Return the resolved annotation; resolving it takes longer than everything else a short step costs."""
    known = _RESOLVED.get(function)
    if known is None:
        known = _RESOLVED[function] = _resolved(function)
    return known


def _resolved(function: Callable[..., Any]) -> Any:
    result = resolved(function, "return")
    if isinstance(get_origin(result), type) and issubclass(get_origin(result), Awaitable):
        return (get_args(result) or (Any,))[-1]
    return result
