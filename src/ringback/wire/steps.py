"""Steps as they travel: the JSON of one step, and the list of entries a delivery carries (protocol 1.7, 1.8)."""

import json
from base64 import b64encode
from binascii import Error as BadBase64
from binascii import a2b_base64
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple


class StepType(StrEnum):
    """The kinds of step, in the exact case of the wire."""

    INITIAL = "Initial"
    RUN = "Run"
    SLEEP_FOR = "SleepFor"
    SLEEP_UNTIL = "SleepUntil"
    CALL = "Call"
    WAIT = "Wait"
    NOTIFY = "Notify"
    INVOKE = "Invoke"
    CREATE_WEBHOOK = "CreateWebhook"
    WAIT_FOR_WEBHOOK = "WaitForWebhook"


class Step(NamedTuple):
    """One planned or finished step of a run.

    Attributes:
        id: 0 for a plan; otherwise the running number of the step, from 1.
        name: as given by the user.
        type: one of `StepType`; unknown ones are kept.
        out: JSON text of the result; base64 for events and webhooks; None when there is none.
        concurrent: 1, or the size of the parallel group.
        target: for a plan, the id the result will have; otherwise None.
        more: the fields that only some types have, such as `sleepFor` or `waitTimeout`.
    """

    id: int
    name: str
    type: str
    out: str | None = None
    concurrent: int = 1
    target: int | None = None
    more: Mapping[str, Any] = MappingProxyType({})

    @property
    def is_plan(self) -> bool:
        """Whether this announces a member of a parallel group, rather than a result."""
        return self.target is not None

    @property
    def place(self) -> int:
        """The running number this plan or result is about."""
        return self.id if self.target is None else self.target


class Entry(NamedTuple):
    """One item of the list a delivery carries: `body` is what was published, decoded from base64."""

    message_id: str
    body: bytes
    call_type: str = "step"


_DECODER = json.JSONDecoder()


def _plainly(text: str) -> Any:
    """Read JSON without blanks around it: `json.loads` takes longer to look for them than to read a step."""
    value, end = _DECODER.raw_decode(text)
    if end < len(text):
        raise ValueError("something stands behind it")
    return value


_decode: Callable[[str], Any] = _plainly
with suppress(ImportError):
    from msgspec.json import decode as _decode

_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def dump(value: object) -> str:
    """Return JSON text as JavaScript's JSON.stringify writes it: some receivers hash their own re-serialisation."""
    return _ENCODER.encode(value)


def load(text: str) -> Any:
    """Return what JSON text stands for, as `json.loads` does.

    msgspec, where it is installed, reads it in half the time; what it does not take (NaN, lone surrogates, errors) is read again.

    Raises:
        ValueError: it is no JSON.
        RecursionError: it is nested too deep.
    """
    try:
        return _decode(text)
    except (ValueError, RecursionError):
        return json.loads(text)


def step_json(step: Step) -> dict[str, Any]:
    """Return the JSON object of a step, in the field order of the official SDKs."""
    value: dict[str, Any] = {"stepId": step.id, "stepName": step.name, "stepType": step.type}
    if step.out is not None:
        value["out"] = step.out
    value["concurrent"] = step.concurrent
    if step.target is not None:
        value["targetStep"] = step.target
    value.update(step.more)
    return value


_KNOWN = frozenset({"stepId", "stepName", "stepType", "out", "concurrent", "targetStep"})


def parse_step(body: bytes) -> Step:
    """Read the body of an entry.

    Raises:
        ValueError: this is no step.
    """
    try:
        value = load(body.decode())
    except RecursionError:
        raise ValueError("a step must not be nested this deep") from None
    if not isinstance(value, dict):
        raise ValueError("a step must be a JSON object")  # noqa: TRY004 - one kind of error for all bad input
    out = value.get("out")
    return Step(
        id=_int(value, "stepId", 0),
        name=_text(value, "stepName"),
        type=_text(value, "stepType"),
        out=out if isinstance(out, str) else None,
        concurrent=_int(value, "concurrent", 1),
        target=_int(value, "targetStep", 0) if value.get("targetStep") else None,
        more={} if _KNOWN.issuperset(value) else _more(value),
    )


def parse_entries(body: bytes) -> list[Entry]:
    """Read the entry list of a delivery or of `GET /v2/workflows/runs/{id}`.

    Raises:
        ValueError: this is no list of entries.
    """
    try:
        items = load(body.decode())
    except RecursionError:
        raise ValueError("an entry list must not be nested this deep") from None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise ValueError("the body must be a JSON array of entries")
    return [_entry(item) for item in items]


def entry_json(entry: Entry) -> dict[str, str]:
    """Return the JSON object of an entry."""
    body = b64encode(entry.body).decode()
    return {"messageId": entry.message_id, "body": body, "callType": entry.call_type}


def _entry(item: dict[str, Any]) -> Entry:
    try:
        body = a2b_base64(_text(item, "body"))
    except BadBase64:
        raise ValueError("an entry's body must be base64") from None
    return Entry(_text(item, "messageId"), body, _text(item, "callType") or "step")


def _more(value: dict[str, Any]) -> dict[str, Any]:
    return {name: item for name, item in value.items() if name not in _KNOWN and item is not None}


def _text(value: dict[str, Any], name: str) -> str:
    text = value.get(name)
    if text is None:
        return ""
    if not isinstance(text, str):
        raise ValueError(f"{name} must be a string")  # noqa: TRY004 - one kind of error for all bad input
    return text


def _int(value: dict[str, Any], name: str, default: int) -> int:
    number = value.get(name)
    if number is None:
        return default
    if isinstance(number, bool) or not isinstance(number, int):
        raise ValueError(f"{name} must be an integer")  # noqa: TRY004 - one kind of error for all bad input
    return number
