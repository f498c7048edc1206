"""What is not to be shown of a message: `Upstash-Redact-Fields` (protocol 3.10)."""

import re
from collections.abc import Iterable
from hashlib import sha256

from ringback.errors import Refused
from ringback.wire.options import Redaction

_NAMED = re.compile(r"headers?\[([^\[\],\s]{1,255})\]", re.IGNORECASE)


def parse(text: str) -> Redaction:
    """Return what a list such as `body, header[Authorization]` hides.

    Raises:
        Refused: 400 for an unknown field.
    """
    body = headers = False
    names = []
    for field in (part.strip() for part in text.split(",")):
        if not field:
            continue
        named = _NAMED.fullmatch(field)
        if named:
            names.append(named.group(1).lower())
        elif field.lower() == "body":
            body = True
        elif field.lower() in ("header", "headers"):
            headers = True
        else:
            raise Refused(
                400,
                f"invalid header Upstash-Redact-Fields: unknown field {field!r}, expected body, header or header[Name]",
            )
    return Redaction(body, headers, tuple(names))


def redacted_body(body: bytes, redaction: Redaction | None) -> str | None:
    """Return what is shown in place of a body, None if it may be shown."""
    if redaction is None or not redaction.body or not body:
        return None
    return _hidden(body)


def redacted_headers(headers: Iterable[tuple[str, str]], redaction: Redaction | None) -> tuple[tuple[str, str], ...]:
    """Return header lines as they may be shown."""
    if redaction is None or not (redaction.headers or redaction.names):
        return tuple(headers)
    return tuple(
        (name, _hidden(value.encode()) if redaction.headers or name.lower() in redaction.names else value)
        for name, value in headers
    )


def both(one: Redaction | None, other: Redaction | None) -> Redaction | None:
    """Return what hides everything that either hides."""
    if one is None or other is None or one == other:
        return one or other
    names = dict.fromkeys((*one.names, *other.names))
    return Redaction(one.body or other.body, one.headers or other.headers, tuple(names))


def of_report(own: Redaction | None, source: Redaction | None) -> Redaction | None:
    """Return what is not to be shown of a message that reports of another: its body holds that one's body and headers."""
    if source is None or source == Redaction():
        return own
    return both(both(own, source), Redaction(body=True))


def _hidden(value: bytes) -> str:
    return f"REDACTED:{sha256(value).hexdigest()}"
