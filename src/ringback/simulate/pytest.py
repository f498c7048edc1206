"""For pytest: this file has the fixture `simulate`, which deploys an application for the length of a test.

Name it in a `conftest.py`: `pytest_plugins = ["ringback.simulate.pytest"]`.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import pytest

from ringback.simulate.platforms import platform
from ringback.simulate.simulation import Simulation, simulated


class Simulate(Protocol):
    """What the fixture gives."""

    def __call__(
        self,
        name: str,
        target: str,
        *,
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
        inherits: bool = True,
        writable: Sequence[Path] = (),
        **limits: Any,
    ) -> Simulation:
        """Deploy an application until the test ends.

        Args:
            name: `vercel`, `lambda` or `cloudrun`.
            target: `MODULE:APP`.
            folder, environment, inherits, writable: see `simulated`.
            limits: those that are to be different, such as `duration_s=2`.

        Raises:
            PlatformUnknown: there is no such platform or limit.
        """


@pytest.fixture
def simulate() -> Iterator[Simulate]:
    """Deploy applications on simulated platforms; they end with the test."""
    with contextlib.ExitStack() as stack:

        def deploy(
            name: str,
            target: str,
            *,
            folder: Path | None = None,
            environment: Mapping[str, str] | None = None,
            inherits: bool = True,
            writable: Sequence[Path] = (),
            **limits: Any,
        ) -> Simulation:
            rules = platform(name, **limits)
            deployment = simulated(
                target, rules, folder=folder, environment=environment, inherits=inherits, writable=writable
            )
            return stack.enter_context(deployment)

        yield deploy
