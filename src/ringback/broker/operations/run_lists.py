"""Lists of runs that this node has delivered lately: the next delivery adds an entry, and need not read them all again."""

from ringback.broker.changes import Applied, RunList

_MOST_BYTES = 32 * 1024 * 1024
_LARGEST = 1024 * 1024
_BESIDE = 250
"""Bytes that a list takes beside its JSON, about."""


class RunLists:
    """Keeps the newest list of each run, as long as there is room; those that were not used for longest give way.

    What has its place in a list never changes, so that one kept here can be too short but never wrong. The exception is
    a run that is not confirmed yet: its first entry is delivered by a second message once it is, so it is not kept.
    """

    def __init__(self, most_bytes: int = _MOST_BYTES, largest: int = _LARGEST) -> None:
        self._most_bytes = most_bytes
        self._largest = largest
        self._lists: dict[int, RunList] = {}
        self._bytes = 0

    def get(self, run: int) -> RunList | None:
        """Return what is kept of a run."""
        return self._lists.get(run)

    def see(self, applied: Applied) -> None:
        """Take up the lists that are to be delivered."""
        for handed in applied.handed:
            if handed.list is not None and handed.run is not None and handed.run.confirmed:
                self._keep(handed.run.seq, handed.list)

    def _keep(self, run: int, new: RunList) -> None:
        old = self._lists.pop(run, None)
        if old is not None:
            self._bytes -= size(old)
        if len(new.json) > self._largest:
            return
        self._lists[run] = new
        self._bytes += size(new)
        while self._bytes > self._most_bytes:
            longest_unused = next(iter(self._lists))
            self._bytes -= size(self._lists.pop(longest_unused))


def size(one: RunList) -> int:
    """Return how many bytes of memory a list takes, about."""
    return len(one.json) + _BESIDE
