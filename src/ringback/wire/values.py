"""Values in JSON's own types: plain JSON as it is, what is richer by its kind."""

import dataclasses
from base64 import b64encode
from collections.abc import Callable, Mapping, Set
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

PLAIN = (str, int, float, bool, type(None))

_WRITERS: dict[type, Callable[[Any], Any]] = {
    datetime: datetime.isoformat,
    date: date.isoformat,
    time: time.isoformat,
    timedelta: timedelta.total_seconds,
    bytes: lambda raw: b64encode(raw).decode(),
    Decimal: str,
    UUID: str,
    complex: str,
}


def plain(value: Any, rich: bool = True) -> Any:
    """Return `value` in JSON types.

    Args:
        value: plain JSON, dataclasses, pydantic models, named tuples, enums, dates, sets and the like, in each other.
        rich: whether anything richer than JSON is allowed.

    Raises:
        TypeError: it is not, or there is no way to write something.
    """
    if type(value) in PLAIN:
        return value
    if isinstance(value, Enum):
        _check(value, rich)
        return plain(value.value, rich)
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, Mapping):
        return {_key(key, rich): plain(item, rich) for key, item in value.items()}
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return [plain(item, rich) for item in value]
    written = _written(value)  # what cannot be written at all need not be annotated
    _check(value, rich)
    return written


def _written(value: Any) -> Any:
    for kind in type(value).__mro__:
        if kind in _WRITERS:
            return _WRITERS[kind](value)
    if hasattr(value, "model_dump"):  # pydantic knows its own; it is not imported here
        return value.model_dump(mode="json", by_alias=True)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: plain(getattr(value, item.name)) for item in dataclasses.fields(value) if item.init}
    if hasattr(value, "_asdict"):
        return {name: plain(item) for name, item in value._asdict().items()}
    if isinstance(value, Set):
        return [plain(item) for item in sorted(value, key=repr)]
    if hasattr(value, "__fspath__"):
        return value.__fspath__()
    raise TypeError(
        f"there is no way to write a {type(value).__qualname__}; use a dataclass, a pydantic model or plain JSON"
    )


def _check(value: object, rich: bool) -> None:
    if not rich:
        name = type(value).__qualname__
        raise TypeError(
            f"a {name} would come back as something else; annotate the function's result (-> {name}), or say "
            f"context.step(result={name}).run(...)"
        )


def _key(key: Any, rich: bool) -> Any:
    if isinstance(key, Enum):
        _check(key, rich)
        return _key(key.value, rich)
    if isinstance(key, str):
        return key
    if isinstance(key, int | date | UUID | Decimal):
        if not rich:
            raise TypeError(
                f"the key {key!r} would come back as text; annotate the function's result (-> dict[{type(key).__qualname__}, "
                "...]), or make the keys text"
            )
        return str(plain(key, rich)).lower() if isinstance(key, bool) else str(plain(key, rich))
    raise TypeError(f"the keys of a mapping must be text, not {type(key).__qualname__}")
