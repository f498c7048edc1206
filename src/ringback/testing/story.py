"""The story of a run, told from its deliveries, for a person."""

import json
from collections.abc import Iterator, Sequence

from ringback.testing.attempts import Delivered
from ringback.testing.disturbances import place_of
from ringback.wire.steps import parse_step

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def story(delivered: Sequence[Delivered]) -> str:
    """Return what happened, one line for each attempt; what was done to it stands below its line."""
    begun = delivered[0].at if delivered else 0
    return "\n".join(line for one in delivered for line in _lines(one, begun))


def _lines(one: Delivered, begun: int) -> Iterator[str]:
    again = f", try {one.attempt + 1}" if one.attempt else ""
    ran = "".join(f" ran {step!r}," for step in one.ran)
    yield f"  {_since(one.at - begun):>8}  {place_of(one.spot)}{again}:{ran} {_answer(one)}"
    for what in one.done_to_it:
        yield f"            ! {what}"
    for call in one.asked:
        yield f"            > {call}"


def _since(milliseconds: int) -> str:
    seconds = milliseconds / 1000
    if not seconds:
        return "0 s"
    for size, unit in _UNITS:
        if seconds >= size:
            return f"+{seconds / size:.3g} {unit}"
    return f"+{milliseconds} ms"


def _answer(one: Delivered) -> str:
    if one.error is not None:
        return one.error
    led_to = _led_to(one.body) if one.status == 200 else _said(one.body)
    return f"{one.status}, {led_to}" if led_to else str(one.status)


def _led_to(body: bytes) -> str:
    """Return what an answer that carries results brings about."""
    try:
        said = json.loads(body)
    except ValueError:
        return ""
    if not isinstance(said, dict):
        return ""
    if said.get("finish") is not None:
        return f"the workflow returned {said['finish'].get('result') or 'nothing'}"
    if said.get("cancel"):
        return "the workflow canceled itself"
    if said.get("discard"):
        return "others do the rest of the group"
    return ", ".join(_item(item) for item in said.get("submit", ()))


def _item(item: dict[str, object]) -> str:
    try:
        step = parse_step(str(item.get("body", "")).encode())
    except ValueError:
        return f"asks for {item.get('destination')}"
    if step.is_plan:
        return f"plans {step.name!r}"
    if not step.type:
        return f"asks for {item.get('destination')}"
    if step.out is None:
        return f"begins {step.name!r} ({step.type})"
    shown = step.out if len(step.out) <= 60 else f"{step.out[:57]}..."
    return f"{step.name!r} gave {shown}"


def _said(body: bytes) -> str:
    """Return what an endpoint says of its error."""
    try:
        said = json.loads(body)
        return f"{said['error']}: {said['message']}"
    except (ValueError, KeyError, TypeError):
        lines = body.decode(errors="replace").strip().splitlines()
        return lines[-1][:200] if lines else ""
