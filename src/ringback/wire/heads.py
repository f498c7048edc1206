"""Heads of HTTP messages that come again: what was read from one the first time is taken the next time.

Publishers and endpoints send the same lines over and over, in full: one that has come as it was, to the byte, says what it said.
Only a message that arrives whole and alone is found this way, by its head; all else is read by the parser.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

_END = b"\r\n\r\n"
_LONGEST = 2048
"""Most bytes of a head that is remembered."""
_MOST = 512
_MOST_SEEN = 4096


class Heads(Generic[T]):
    """Remembers what heads said that came more than once. Those that are never the same again, with an id of their own say, only
    leave a number here.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[T, int]] = {}
        self._seen: set[int] = set()

    def find(self, data: bytes) -> tuple[T, bytes] | None:
        """Return what the head of a message says, and its body, if the message is all of `data` and its head is known."""
        start = data.find(_END, 0, _LONGEST) + 4
        known = self._known.get(data[:start])
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
        if hash(head) not in self._seen:
            if len(self._seen) >= _MOST_SEEN:
                self._seen.clear()
            self._seen.add(hash(head))
            return
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[head] = said(), len(body)
