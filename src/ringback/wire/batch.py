"""The items of a batch: several publishes in one JSON array (protocol 2.3)."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, NamedTuple, TypeVar

import msgspec
from msgspec import Struct

from ringback.errors import Refused
from ringback.wire.destination import Destination, classify
from ringback.wire.headers import lines_of, read_options, size_of
from ringback.wire.options import Options
from ringback.wire.unreadable import UNREADABLE

_NULL = msgspec.Raw(b"null")
_HEADERS = dict[str, str | list[str]] | None
_OBJECT = msgspec.Meta(extra_json_schema=msgspec.json.schema(_HEADERS))


class Item(Struct):
    """One item as it was sent."""

    destination: str | None = None
    url: str | None = None
    headers: Annotated[msgspec.Raw, _OBJECT] = msgspec.field(default_factory=lambda: _NULL)
    body: msgspec.Raw = msgspec.field(default_factory=lambda: _NULL)
    queue: str | None = None


class Letter(Item, rename="camel"):
    """A message that has failed elsewhere, as it was sent: an item of a batch, and the last answer it got.

    Attributes:
        response_status: 0 where there was no answer.
        response_body: text of the answer, or what went wrong.
        retried: retries it has behind it.
    """

    response_status: Annotated[int, msgspec.Meta(ge=0, le=999)] = 0
    response_body: str = ""
    retried: Annotated[int, msgspec.Meta(ge=0, le=2**31)] = 0


class BatchItem(NamedTuple):
    """One publish of a batch."""

    destination: Destination
    options: Options
    body: bytes
    queue: str | None


T = TypeVar("T")

_ITEMS = msgspec.json.Decoder(list[Item])
_LETTERS = msgspec.json.Decoder(list[Letter])
_READ_HEADERS = msgspec.json.Decoder(_HEADERS)
_KEPT = 4096
"""Most bytes of an item's headers whose meaning is kept: the items of a batch and the steps of a run often have the same."""


def read_batch(body: bytes) -> list[BatchItem]:
    """Return the publishes of a batch.

    Raises:
        Refused: 400 for the whole batch, naming the item that is wrong.
    """
    return read_items(_decoded(_ITEMS, body))


def read_letters(body: bytes) -> list[tuple[BatchItem, Letter]]:
    """Return the messages that have failed elsewhere; see `read_batch`."""
    letters = _decoded(_LETTERS, body)
    return list(zip(read_items(letters), letters, strict=True))


def read_items(items: Sequence[Item]) -> list[BatchItem]:
    """Return the publishes that decoded items ask for; see `read_batch`."""
    found = []
    for number, item in enumerate(items):
        try:
            found.append(
                BatchItem(
                    classify(item.destination or item.url or ""),
                    _options(bytes(item.headers)),
                    _body(item.body),
                    item.queue or None,
                )
            )
        except Refused as error:
            raise in_item(number, error) from error
    return found


def _decoded(decoder: msgspec.json.Decoder[list[T]], body: bytes) -> list[T]:
    try:
        return decoder.decode(body or b"[]")
    except UNREADABLE as error:
        raise Refused(400, f"invalid request body: {error}") from error


def in_item(number: int, error: Refused) -> Refused:
    """Return a refusal that says which item it is about."""
    return Refused(error.status, f"item {number}: {error.text}", error.headers)


def _options(headers: bytes) -> Options:
    return _known_options(headers) if len(headers) <= _KEPT else _read_options(headers)


def _read_options(headers: bytes) -> Options:
    try:
        lines = [(name.lower(), value) for name, value in lines_of(_READ_HEADERS.decode(headers) or {})]
    except UNREADABLE as error:
        raise Refused(400, f"invalid headers: {error}") from error
    size_of(lines)
    return read_options(lines)


_known_options = lru_cache(maxsize=1024)(_read_options)


def _body(raw: msgspec.Raw) -> bytes:
    """A string is the body itself; any other JSON value is passed on as it was written (workflow protocol 1.3)."""
    text = bytes(raw)
    if text == b"null":
        return b""
    if not text.startswith(b'"'):
        return text
    try:
        return msgspec.json.decode(text, type=str).encode()
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise Refused(400, f"invalid body: {error}") from error
