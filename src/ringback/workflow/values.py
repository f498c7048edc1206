"""Values as JSON and back: plain JSON as it is, richer types by the annotation that promises them."""

import dataclasses
import json
import types
import typing
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence, Set
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache, partial
from pathlib import PurePath
from typing import Any, Literal, Union, get_args, get_origin
from uuid import UUID

from ringback.wire.steps import dump, load
from ringback.wire.values import PLAIN, plain
from ringback.workflow.errors import NotSerializable

_TEXTUAL: dict[type, Callable[[Any], Any]] = {
    datetime: datetime.fromisoformat,
    date: date.fromisoformat,
    time: time.fromisoformat,
    timedelta: lambda seconds: timedelta(seconds=seconds),
    bytes: b64decode,
    Decimal: Decimal,
    UUID: UUID,
    complex: complex,
}

Reader = Callable[[Any], Any]
"""Makes a value of the promised type from a JSON value; raises TypeError, ValueError or KeyError where it does not fit."""

_READERS: dict[int, tuple[Any, Reader]] = {}
_MOST_READERS = 1000


def write(value: object) -> str:
    """Return `value` as JSON text, whatever it will be read as.

    Raises:
        NotSerializable: there is no way to write it.
    """
    try:
        return dump(plain(value))
    except (TypeError, ValueError, RecursionError) as error:
        raise NotSerializable(f"cannot be written as JSON: {error}") from error


def encode(value: object, annotation: object, what: str) -> str:
    """Return `value` as JSON text that `decode` turns back into an equal value.

    Args:
        value: what a step returned.
        annotation: its promised type; `Any` promises plain JSON (dict, list, str, number, bool, None).
        what: names the value in errors, such as "the result of step 'charge'".

    Raises:
        NotSerializable: the value cannot travel, or its annotation does not say how to bring it back.
    """
    try:
        text = dump(plain(value, rich=annotation is not Any))
        text.encode()
        decode(text, annotation, what)
    except NotSerializable:
        raise
    except (TypeError, ValueError, RecursionError) as error:
        raise NotSerializable(f"{what} cannot travel as JSON: {error}") from error
    return text


def decode(text: str, annotation: object, what: str) -> Any:
    """Return the value that JSON `text` stands for, as `annotation` promises.

    Raises:
        NotSerializable: the text is not JSON, or does not fit the annotation.
    """
    try:
        return convert(load(text), annotation)
    except NotSerializable:
        raise
    except json.JSONDecodeError as error:
        raise NotSerializable(f"{what} does not fit {_name(annotation)}: it is no JSON ({error})") from None
    except (TypeError, ValueError, KeyError, ArithmeticError, RecursionError) as error:
        raise NotSerializable(f"{what} does not fit {_name(annotation)}: {error}") from error


def convert(value: Any, annotation: Any) -> Any:
    """Return the JSON value `value` as the type `annotation` promises.

    Raises:
        TypeError, ValueError, KeyError: it does not fit.
    """
    return _reader(annotation)(value)


def _reader(annotation: Any) -> Reader:
    """Return what makes values of an annotation, kept from the last time: to look into the annotation takes longer than to read.

    Annotations are known again by their identity, because equal ones may differ in the order of a union.
    """
    known = _READERS.get(id(annotation))
    if known is not None:
        return known[1]
    if len(_READERS) >= _MOST_READERS:
        _READERS.clear()
    reader = _reader_of(annotation)
    _READERS[id(annotation)] = annotation, reader  # held, so that no other annotation can take its place in memory
    return reader


def _reader_of(annotation: Any) -> Reader:
    if annotation in (Any, object, typing.Never) or isinstance(annotation, typing.TypeVar):
        return _as_it_is
    if annotation is None or annotation in PLAIN:
        return partial(_scalar, annotation or type(None))
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is typing.Annotated:
        return _reader(args[0])
    if origin in (Union, types.UnionType):
        return partial(_one_of, args)
    if origin is Literal:
        return partial(_literal, args)
    if annotation in _TEXTUAL:
        return _TEXTUAL[annotation]
    return _structured(annotation, origin or annotation, args)


def _as_it_is(value: Any) -> Any:
    return value


def _scalar(kind: type, value: Any) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind:
        raise TypeError(f"expected {kind.__name__}, got {type(value).__name__}")
    return value


def _literal(choices: tuple[Any, ...], value: Any) -> Any:
    for choice in choices:
        if (choice.value if isinstance(choice, Enum) else choice) == value:
            return choice
    raise ValueError(f"expected one of {', '.join(map(repr, choices))}")


def _one_of(choices: tuple[Any, ...], value: Any) -> Any:
    reasons = []
    for choice in choices:
        try:
            converted = convert(value, choice)
            if dump(plain(converted)) == dump(value):
                return converted
            reasons.append(f"{_name(choice)} would lose something")
        except (TypeError, ValueError, KeyError, ArithmeticError, NotSerializable) as error:
            reasons.append(str(error))
    raise ValueError("; ".join(reasons))


def _structured(annotation: Any, kind: Any, args: tuple[Any, ...]) -> Reader:
    if not isinstance(kind, type):
        raise TypeError(f"there is no way to read a {_name(annotation)}")
    if hasattr(kind, "model_validate"):
        # JSON mode: dates and bytes are text there
        return lambda value: annotation.model_validate_json(json.dumps(value))
    if issubclass(kind, Enum):
        return kind
    if dataclasses.is_dataclass(kind):
        return partial(_fields, kind, {item.name for item in dataclasses.fields(kind) if item.init})
    if hasattr(kind, "_fields") or typing.is_typeddict(kind):
        return partial(_fields, kind, None)
    if issubclass(kind, PurePath):
        return kind
    if issubclass(kind, Mapping):
        return partial(_mapping, *(args or (str, Any)))
    if issubclass(kind, tuple):
        return partial(_tuple, args)
    return partial(_items, _maker(annotation, kind), args[0] if args else Any)


def _maker(annotation: Any, kind: type) -> Callable[[list[Any]], Any]:
    if issubclass(kind, frozenset):
        return frozenset
    if issubclass(kind, Set):
        return set
    if issubclass(kind, Sequence) or kind.__module__ == "collections.abc":
        return _as_it_is
    raise TypeError(f"there is no way to read a {_name(annotation)}")


def _mapping(to_key: Any, to_item: Any, value: Any) -> Any:
    if not isinstance(value, dict):
        raise TypeError(f"expected an object, got {type(value).__name__}")
    if to_key is str and to_item is Any:
        return value
    read = _reader(to_item)
    if to_key is str:
        return {key: read(item) for key, item in value.items()}
    return {_from_key(key, to_key): read(item) for key, item in value.items()}


def _tuple(args: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    _check_list(value)
    if args and args[-1] is not Ellipsis:
        return tuple(convert(item, to) for item, to in zip(value, args, strict=True))
    return tuple(map(_reader(args[0] if args else Any), value))


def _items(make: Callable[[list[Any]], Any], to_item: Any, value: Any) -> Any:
    _check_list(value)
    return make(list(map(_reader(to_item), value)))


def _check_list(value: Any) -> None:
    if not isinstance(value, list):
        raise TypeError(f"expected a list, got {type(value).__name__}")


def _fields(kind: Any, wanted: set[str] | None, value: Any) -> Any:
    if not isinstance(value, dict):
        raise TypeError(f"expected an object, got {type(value).__name__}")
    hints = _hints(kind)
    # Others are left out: newer code must be able to read what older code has recorded
    known = hints.keys() if wanted is None else wanted
    return kind(**{name: _field(name, item, hints.get(name, Any)) for name, item in value.items() if name in known})


@lru_cache(maxsize=1000)
def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _field(name: str, value: Any, annotation: Any) -> Any:
    try:
        return convert(value, annotation)
    except (TypeError, ValueError, KeyError) as error:
        raise ValueError(f"{name}: {error}") from None


def _from_key(key: str, annotation: Any) -> Any:
    if annotation in (str, Any):
        return key
    if annotation is bool:
        return {"true": True, "false": False}[key]
    if annotation is int:
        return int(key)
    if isinstance(annotation, type) and issubclass(annotation, Enum) and key not in {m.value for m in annotation}:
        return annotation(int(key))
    return convert(key, annotation)


def _name(annotation: Any) -> str:
    return getattr(annotation, "__qualname__", None) or str(annotation)
