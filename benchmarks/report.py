"""What a benchmark prints: the machine, then one line for each figure, with the bar it is held to."""

import os
import platform
from pathlib import Path


def quantile(seconds: list[float], q: float) -> float:
    """Return a quantile of seconds, in milliseconds."""
    return sorted(seconds)[min(len(seconds) - 1, int(len(seconds) * q))] * 1000 if seconds else 0.0


def machine() -> str:
    """Return what the figures were taken on."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.processor(),
    )
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} cores of {model}, Python {platform.python_version()}, load {load:.1f} at the end"


class Report:
    """Gathers figures.

    Args:
        name: of the benchmark.
    """

    def __init__(self, name: str) -> None:
        self._lines = [f"# {name}"]

    def add(
        self, what: str, value: float, unit: str, *, at_most: float | None = None, at_least: float | None = None
    ) -> None:
        """Note one figure, and the bar it is held to if there is one."""
        bar = ""
        if at_most is not None:
            bar = f"   bar: at most {at_most:g}, {'met' if value <= at_most else 'MISSED'}"
        elif at_least is not None:
            bar = f"   bar: at least {at_least:g}, {'met' if value >= at_least else 'MISSED'}"
        digits = 0 if abs(value) >= 1000 else 1 if abs(value) >= 10 else 2
        self._lines.append(f"{what:60} {value:>12,.{digits}f} {unit}{bar}")

    def print(self) -> None:
        """Print everything, the machine last."""
        print("\n".join([*self._lines, machine(), ""]), flush=True)
