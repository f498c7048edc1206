"""What commands print: tables and sentences for people, JSON for programs."""

import json
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Console
from rich.table import Table

Shape = dict[str, Any]
Column = tuple[str, Callable[[Shape], object]]
"""A heading, and what stands below it for one record."""

_OBEYED = frozenset(map(chr, (*range(0x20), *range(0x7F, 0xA0))))
"""The control characters of ASCII and of Latin-1."""
_WIDE = 1000
"""Columns of a table that goes into a file or a pipe: nothing is cut."""


class Output:
    """Prints answers.

    Args:
        as_json: for programs: each answer is one JSON value.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    def records(self, records: Sequence[Shape], columns: Sequence[Column], *, none: str) -> None:
        """Print a list: a table, or the sentence `none`; for programs the records themselves."""
        if self.as_json:
            self._json(list(records))
        elif not records:
            click.echo(none)
        else:
            _print(_table(records, columns))

    def record(self, record: Shape) -> None:
        """Print one record, a field a line."""
        if self.as_json:
            self._json(record)
            return
        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="dim", no_wrap=True)
        grid.add_column(overflow="fold")
        for name, value in record.items():
            if name == "callerIP" and "callerIp" in record:
                continue  # the same under an older spelling
            grid.add_row(name, _readable(name, value))
        _print(grid)

    def done(self, sentence: str, **facts: Any) -> None:
        """Say what was done; for programs the facts."""
        if self.as_json:
            self._json(facts)
        else:
            click.echo(sentence)

    def line(self, record: Shape, text: str) -> None:
        """Print one of a stream of records: a line of text, or a line of JSON."""
        click.echo(json.dumps(record) if self.as_json else plain(text))

    @staticmethod
    def _json(value: object) -> None:
        click.echo(plain(json.dumps(value, indent=2, ensure_ascii=False)))


def field(name: str) -> Callable[[Shape], object]:
    """Return what reads a field of a record."""
    return lambda record: record.get(name)


def moment(name: str, unit: int = 1) -> Callable[[Shape], object]:
    """Return what reads a field that holds an instant, in milliseconds times `unit`."""
    return lambda record: time_of(record[name] * unit) if record.get(name) else None


def plain(text: str, kept: str = "\n\t") -> str:
    """Return text without what a terminal would obey: bodies, errors and ids are written by others than who reads them here.

    Args:
        text: anything.
        kept: control characters that stay.
    """
    if text.isprintable():
        return text
    return "".join(one if one not in _OBEYED or one in kept else f"\\u{ord(one):04x}" for one in text)


def time_of(milliseconds: float) -> str:
    """Return an instant in the local time zone, to the second."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _table(records: Sequence[Shape], columns: Sequence[Column]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for title, _ in columns:
        table.add_column(title, overflow="fold")
    for record in records:
        table.add_row(*(_text(read(record)) for _, read in columns))
    return table


def _print(what: Table) -> None:
    terminal = sys.stdout.isatty()
    Console(width=None if terminal else _WIDE, highlight=False, markup=False, soft_wrap=not terminal).print(what)


def _text(value: object) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return plain(str(value))


def _readable(name: str, value: object) -> str:
    if isinstance(value, int) and name.endswith(("At", "Before", "Time", "Date")) and value > 10**11:
        return time_of(value)
    if isinstance(value, dict | list):
        return plain(json.dumps(value, ensure_ascii=False))
    return _text(value)
