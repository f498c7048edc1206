"""Heads of HTTP messages that come again: what was read from one the first time is taken the next time.

Publishers and endpoints send the same lines over and over, in full: one that has come as it was, to the byte, says what it said.
Only a message that arrives whole and alone is found this way, by its head; all else is read by the parser.
"""

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")

_END = b"\r\n\r\n"
_LONGEST = 2048
"""Most bytes of a head that is remembered."""
_ROOM = 4 * 1024 * 1024
"""Bytes of heads after which those that were not needed meanwhile are forgotten: ten thousand of usual length are kept."""
_SEEN_ROOM = 8_192
"""Heads of which it is known for as long that they came once; fewer than are kept, or some would be learned again and again."""


class Heads(Generic[T]):
    """Remembers what heads said that came more than once. Those that are never the same again, with an id of their own say, only
    leave a number here.
    """

    def __init__(self) -> None:
        self._known = _Lately[tuple[T, int]](_ROOM)
        self._seen = _Lately[bool](_SEEN_ROOM)

    def find(self, data: bytes) -> tuple[T, bytes] | None:
        """Return what the head of a message says, and its body, if the message is all of `data` and its head is known."""
        start = data.find(_END, 0, _LONGEST) + 4
        known = self._known.get(data[:start], start)
        if known is None or len(data) != start + known[1]:
            return None
        return known[0], data[start:]

    def learn(self, data: bytes, body: bytes, said: Callable[[], T]) -> None:
        """Remember what the parser has read.

        Args:
            data: what came in at once, from the beginning of a message.
            body: of the message.
            said: what its head says, the same for each message with this head.
        """
        start = data.find(_END, 0, _LONGEST) + 4
        if start < len(_END) or data[start:] != body:
            return
        head = data[:start]
        if self._seen.get(hash(head), 1):
            self._known.put(head, (said(), len(body)), start)
        else:
            self._seen.put(hash(head), True, 1)


class _Lately(Generic[T]):
    """Remembers what was needed lately: in two halves, of which the older is forgotten when the newer has no more room."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._new: dict[Hashable, T] = {}
        self._old: dict[Hashable, T] = {}
        self._used = 0

    def __len__(self) -> int:
        return len(self._new) + len(self._old)

    def get(self, key: Hashable, size: int) -> T | None:
        value = self._new.get(key)
        if value is None and (value := self._old.pop(key, None)) is not None:
            self.put(key, value, size)
        return value

    def put(self, key: Hashable, value: T, size: int) -> None:
        if self._used >= self._room:
            self._old, self._new, self._used = self._new, {}, 0
        self._new[key] = value
        self._used += size
