"""What every call that names something checks of the name."""

import re

from ringback.broker.api.call import Call
from ringback.errors import Refused
from ringback.wire.destination import Destination, classify
from ringback.wire.guard import literal_refusal

_NAME = re.compile(r"[A-Za-z0-9._-]{1,255}")


def checked_destination(call: Call, target: str) -> Destination:
    """Return what a destination is.

    Raises:
        Refused: 400 for one that is none, or names an address the broker may not call.
    """
    if target == "api/llm" and call.settings.llm_url:
        return Destination(f"{call.settings.llm_url.rstrip('/')}/v1/chat/completions", is_group=False)
    if target == "api/email" and call.settings.email_url:
        return Destination(call.settings.email_url, is_group=False)
    destination = classify(target)
    if not destination.is_group:
        refused = literal_refusal(destination.text, call.settings.destinations)
        if refused:
            raise Refused(400, f"invalid destination url: {refused}")
    return destination


def checked_name(field: str, text: str) -> str:
    """Return a name of a queue, group, endpoint or schedule.

    Raises:
        Refused: 400 where it has other characters than the reference allows.
    """
    if not _NAME.fullmatch(text):
        raise Refused(400, f"invalid {field} {text!r}: use letters, digits, '.', '_' and '-', at most 255 of them")
    return text


def read_flag(call: Call, name: str) -> bool:
    """Return whether a parameter of the query is set; it is not where it is missing or empty.

    Raises:
        Refused: 400 where it is neither true nor false.
    """
    text = dict(call.query()).get(name, "")
    if text.lower() in ("", "false", "0"):
        return False
    if text.lower() in ("true", "1"):
        return True
    raise Refused(400, f"invalid {name} {text!r}: expected true or false")


def read_trim(call: Call, name: str = "trimBody") -> int | None:
    """Return how many bytes of bodies are wanted, by the parameter that says it: None for all of them, -1 for none.

    Raises:
        Refused: 400 where it is no whole number.
    """
    text = dict(call.query()).get(name)
    if text is None:
        return None
    try:
        return max(-1, int(text))
    except ValueError as error:
        raise Refused(400, f"invalid {name} {text!r}: expected a whole number") from error
