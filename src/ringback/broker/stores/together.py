"""Rows are written many to a statement: what a table's indexes need is opened once for all of them, half of what a row costs."""

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import apsw

_MANY = 16
Row = tuple[Any, ...]


class Put:
    """Writes rows of one kind.

    Args:
        statement: gives the statement that writes so many rows.
    """

    def __init__(self, statement: Callable[[int], str]) -> None:
        self._one = statement(1)
        self._many = statement(_MANY)

    def write(self, connection: apsw.Connection, rows: Sequence[Row]) -> None:
        """Write rows, in their order."""
        alone = len(rows) % _MANY
        if alone:
            connection.executemany(self._one, rows[:alone])
        for at in range(alone, len(rows), _MANY):
            connection.execute(self._many, tuple(chain.from_iterable(rows[at : at + _MANY])))
