"""The law of the order of locks: who knows beforehand what it needs takes it in the same order as everybody else.

Where that is not known beforehand, a deadlock may come of it, once: what is tried again knows what it has asked for before.
"""

from collections.abc import Callable, Sequence

from ringback.broker.stores.contract import Need
from simulation.verdict import Broken


class Order:
    """Sees which records are locked in which order.

    Args:
        accuse: told of a law that is broken.
    """

    def __init__(self, accuse: Callable[[Broken], None]) -> None:
        self._accuse = accuse
        self._after: set[tuple[Need, Need]] = set()

    def taken(self, together: Sequence[Need]) -> None:
        """Records were locked one after the other by one who knew beforehand that it needs them all."""
        for place, one in enumerate(together):
            for later in together[place + 1 :]:
                if (later, one) in self._after:
                    self._accuse(Broken(f"{_name(later)} is locked before {_name(one)}, and after it by others"))
                self._after.add((one, later))

    def again(self, forgotten: Sequence[Need]) -> None:
        """A transaction that is tried again has taken what it knows beforehand; it should be all that it has asked for before."""
        if forgotten:
            self._accuse(Broken(f"what is tried again has forgotten that it needs {_name(forgotten[0])}"))


def _name(need: Need) -> str:
    return f"{need[0].__name__} {need[1]}"
