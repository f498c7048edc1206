"""The broker's log of its decisions: one line each, made from changes that have become durable; never a body or a secret."""

import logging

from ringback.broker.changes import Applied
from ringback.broker.ids import message_id
from ringback.broker.records import AuditEntry, Event, Message, Run, Schedule

_log = logging.getLogger("ringback.decisions")

_LEVELS = {"FAILED": logging.WARNING, "CANCELED": logging.INFO}
_RUN_LEVELS = {"RUN_FAILED": logging.WARNING, "RUN_SUCCESS": logging.DEBUG, "RUN_CANCELED": logging.INFO}


def note(applied: Applied) -> None:
    """Log what was decided: what failed for good is a warning, what a person did is information, the rest is for debugging."""
    if not _log.isEnabledFor(logging.WARNING):
        return
    if _log.isEnabledFor(logging.DEBUG):
        for message in applied.put(Message):
            _accepted(message)
    for event in applied.put(Event):
        _event(event)
    for run in applied.put(Run):
        _run(run)
    for schedule in applied.put(Schedule):
        if schedule.error is not None:
            _failed_tick(schedule, schedule.error)
    for entry in applied.put(AuditEntry):
        _administration(entry)


def _event(event: Event) -> None:
    level = _LEVELS.get(event.state, logging.DEBUG)
    if event.state == "CREATED" or not _log.isEnabledFor(level):
        return
    fields: dict[str, object] = {
        "action": event.state.lower(),
        "message_id": message_id(event.message),
        "tenant": event.tenant,
    }
    if event.status is not None:
        fields["status"] = event.status
    if event.error:
        fields["error"] = event.error
    _log.log(level, "message %s", event.state.lower(), extra=fields)


def _accepted(message: Message) -> None:
    fields = {"action": "accepted", "message_id": message_id(message.seq), "tenant": message.tenant}
    _log.debug("message accepted", extra=fields)


def _run(run: Run) -> None:
    level = _RUN_LEVELS.get(run.state)
    if level is None or run.failure is not None or not _log.isEnabledFor(level):
        return
    state = run.state.removeprefix("RUN_").lower()
    fields = {"action": f"run_{state}", "run_id": run.run_id, "tenant": run.tenant}
    if run.failed_step:
        fields["step"] = run.failed_step
    _log.log(level, "run %s", state, extra=fields)


def _failed_tick(schedule: Schedule, error: str) -> None:
    fields = {"action": "tick_failed", "schedule_id": schedule.id, "tenant": schedule.tenant, "error": error}
    _log.warning("schedule made no message", extra=fields)


def _administration(entry: AuditEntry) -> None:
    fields = {"action": "administration", "call": entry.call, "caller_ip": entry.caller_ip, "tenant": entry.tenant}
    _log.info("administration", extra=fields)
