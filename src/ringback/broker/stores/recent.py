"""Records that were written lately, kept in memory: most reads are of these.

For a store that nobody else writes to: what is kept is what the last transaction has made durable. A transaction sees its own
writes first, and nothing of one that was given up stays behind.
"""

from collections.abc import Iterable
from typing import Any

from ringback.broker.records import ActiveRun, Delivery, Lane, Record, Run

Written = dict[type[Record], dict[tuple[Any, ...], Record | None]]
"""Records by their key, None for those that are gone."""
_KINDS: tuple[type[Record], ...] = (Delivery, Lane, Run, ActiveRun)
_MOST = 20_000
"""Most records of one kind; beyond it all are forgotten, and the ones in use are soon back."""
LARGEST = 8192
"""Most bytes, as it is stored, of a run that is kept: it has what its trigger has sent. Records of other kinds are small."""


def nothing_written() -> Written:
    """Return what a transaction has written when it begins."""
    return {kind: {} for kind in _KINDS}


class Recent:
    """Keeps records of the kinds that are read again soon.

    Not so runs that have ended: hardly anybody reads them, and their results may be large. Nor large ones: thousands of them
    would fill the memory.
    """

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self.records = nothing_written()

    def learn(self, written: Written, large: Iterable[tuple[Any, ...]] = ()) -> None:
        """Take up what has become durable.

        Args:
            written: the records.
            large: keys of the runs among them that are not kept.
        """
        for kind, records in written.items():
            kept = self.records[kind]
            if len(kept) + len(records) > self._most:
                kept.clear()
            kept.update(records)
        for key, run in written[Run].items():
            if isinstance(run, Run) and run.state != "RUN_STARTED":
                del self.records[Run][key]
        for key in large:
            self.records[Run].pop(key, None)
