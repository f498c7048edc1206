"""Copying an account: read both sides, make what is missing, and hand schedules over one by one."""

from collections.abc import Callable

from ringback.client import Transport, management
from ringback.errors import Refused
from ringback.importing.qstash.objects import TAKEN_OVER, Objects, Piece, pieces


class Copier:
    """Copies the objects of one account to another.

    Args:
        source, target: the ways to both.
    """

    def __init__(self, source: Transport, target: Transport) -> None:
        self._source, self._target = source, target

    def plan(self) -> list[Piece]:
        """Return what becomes of each object of the source."""
        return pieces(_objects(self._source), _objects(self._target))

    def carry_out(
        self, plan: list[Piece], *, take_over: bool, watch: Callable[[str, int], None] = lambda _step, _count: None
    ) -> list[tuple[Piece, str]]:
        """Make the objects; those that were refused are told with the reason.

        Args:
            plan: as `plan` has told.
            take_over: pause each schedule at the source and let it run at the target; otherwise all stand still there.
            watch: told of every object that is done.
        """
        refused = []
        for piece in plan:
            if piece.stays:
                continue
            try:
                for call in piece.calls:
                    self._target.send(call)
                if piece.kind == "schedule" and take_over:
                    self._take_over(piece)
            except Refused as error:
                if error.status in (401, 403, 429):
                    raise
                refused.append((piece, str(error)))
            watch("moved", 1)
        return refused

    def _take_over(self, piece: Piece) -> None:
        """Pause at the source first, so that no tick comes twice.

        The label at the target remembers that the schedule ran, also when we are killed here and the source's is paused already.
        """
        if piece.runs:
            self._source.send(management.pause_schedule(piece.name))
        known = self._target.send(management.schedule(piece.name))
        if TAKEN_OVER in (known.get("labels") or []):
            self._target.send(management.resume_schedule(piece.name))


def _objects(transport: Transport) -> Objects:
    return Objects(
        transport.send(management.url_groups()),
        transport.send(management.queues()),
        transport.send(management.flow_keys()),
        transport.send(management.schedules()),
    )
