"""Commits wait for the disk on a thread of their own; the event loop is told when they are done."""

import asyncio
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any

Done = Callable[[BaseException | None], None]


class Committer:
    """Runs one commit after the other.

    A plain queue and one wake-up of the loop: an executor makes two futures for each commit and chains them, which is half
    of what handing over costs.

    Args:
        commit: waits for the disk; whatever it raises is handed to whoever waits.
    """

    def __init__(self, commit: Callable[[], Any]) -> None:
        self._commit = commit
        self._loop = asyncio.get_running_loop()
        self._waiting: SimpleQueue[Done | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name="ringback-commit", daemon=True)
        self._thread.start()

    def commit(self, done: Done) -> None:
        """Commit; `done` is called on the loop with what went wrong, or None."""
        self._waiting.put(done)

    def close(self) -> None:
        """End the thread; nothing may be waiting for a commit."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (done := self._waiting.get()) is not None:
            error: BaseException | None = None
            try:
                self._commit()
            except BaseException as raised:  # noqa: BLE001 - whoever waits has to be told
                error = raised
            self._loop.call_soon_threadsafe(done, error)
