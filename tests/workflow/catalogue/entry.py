"""What each file of the catalogue says of its workflow: how it is started, and what must come of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Entry:
    """One workflow.

    Attributes:
        function: the workflow; other ones served beside it are in `siblings`.
        payload: what the run is started with.
        result: what it must return.
        steps: names of its results, in the order in which they are recorded (parallel ones in order of code).
        deliveries: how many requests the endpoint gets.
        state: how the run ends.
        vendor: answers calls, given path, headers and body; its address is the payload then.
        is_long: whether it sleeps longer than a test can in real time.
    """

    function: Callable[..., Any]
    result: Any = None
    payload: Any = None
    steps: tuple[str, ...] = ()
    deliveries: int = 1
    state: str = "RUN_SUCCESS"
    siblings: dict[str, Callable[..., Any]] = field(default_factory=dict)
    vendor: Callable[[str, dict[str, str], str], tuple[int, str]] | None = None
    is_long: bool = False
