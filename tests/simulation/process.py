"""What may happen to a broker's process and to its way to the store: the same on the disk and on a real server."""

from collections.abc import Callable


class Process:
    """The part of a broker's store that knows how its process is.

    Attributes:
        cut_off: the way is blocked: what is asked for waits.
        still: the process stands still: it hears nothing until it goes on.
        gone: the process is no more: nothing is answered.
        number: tells the number the broker's leases carry.
        is_sure: tells whether the broker knows that nobody takes it for dead.
    """

    def __init__(self) -> None:
        self.cut_off = self.still = self.gone = False
        self.number: Callable[[], int] = lambda: 0
        self.is_sure: Callable[[], bool] = lambda: True
        self._unheard: list[Callable[[], None]] = []

    def hear(self, *news: Callable[[], None]) -> None:
        """Let the broker know, once it does not stand still."""
        self._unheard += news
        if not self.still:
            self.go_on()

    def go_on(self) -> None:
        """Stand still no more."""
        self.still = False
        while self._unheard:
            self._unheard.pop(0)()
