"""What callers hold in memory before anybody knows them: whoever shows no token shares one room with all others who do not.

A token is looked for when a body turns out to be large: whoever has one is not held up, and who has none learns so no later than
the room is full. Webhooks and the console's forms come without a token, so that nobody is refused for that alone.
"""

from collections.abc import Callable

from ringback.errors import Refused
from ringback.wire.http import Request

SMALL = 16 * 1024
"""Bytes of a body that are not asked about."""


class Strangers:
    """All of them.

    Args:
        knows: whether a request, whose body is still to come, shows who sent it.
        most: bytes of large bodies that they may hold together.
    """

    def __init__(self, knows: Callable[[Request], bool], most: int) -> None:
        self.knows = knows
        self.most = most
        self.held = 0


class Loan:
    """What one connection holds of their room."""

    def __init__(self, strangers: Strangers) -> None:
        self._strangers = strangers
        self._is_known = False
        self._held = 0

    def ask(self, request: Request) -> None:
        """Find out who sends a large body."""
        self._is_known = self._strangers.knows(request)

    def take(self, size: int) -> None:
        """Hold some bytes more.

        Raises:
            Refused: 503 where there is no room for them.
        """
        if self._is_known:
            return
        if self._strangers.held + size > self._strangers.most:
            raise Refused(503, "too many large bodies without a token are coming in, try again")
        self._held += size
        self._strangers.held += size

    def give_back(self) -> None:
        """Nothing of what came in is held any more."""
        self._strangers.held -= self._held
        self._held = 0
