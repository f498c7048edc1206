"""A clock that can be set while processes run under it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HOUR = 3600


class SetClock:
    """The wall clock of some processes."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.set(0)

    def set(self, seconds: int) -> None:
        """Set it so many seconds ahead of the true time."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(str(seconds))
        fresh.rename(self._file)


@contextmanager
def set_clock(folder: Path) -> Iterator[SetClock]:
    """Let Python processes that are started in a block run under a clock that can be set."""
    clock = SetClock(folder / "clock")
    ours = {"PYTHONPATH": str(Path(__file__).parent / "set_clock"), "CLOCK_FILE": str(folder / "clock")}
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    try:
        yield clock
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
