"""What each file of the catalogue says of its workflow: how it is started, and what must come of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from support.scripted_broker import ScriptedBroker


def _nothing(broker: ScriptedBroker) -> None:
    """Leave the world as it is."""


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
        world: prepares third parties and events.
    """

    function: Callable[..., Any]
    result: Any = None
    payload: Any = None
    steps: tuple[str, ...] = ()
    deliveries: int = 1
    state: str = "RUN_SUCCESS"
    siblings: dict[str, Callable[..., Any]] = field(default_factory=dict)
    world: Callable[[ScriptedBroker], None] = _nothing
