"""Signatures of webhooks in the form that several providers share (standardwebhooks.com): HMAC over id, time and body."""

import hmac
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Mapping
from hashlib import sha256

from ringback_video.providers.contract import BadSignature

TOLERANCE_S = 300.0


def check_standard(headers: Mapping[str, str], body: bytes, secret: str, now_s: float) -> str:
    """Check a signature; return the id of the event.

    Args:
        headers: names in lower case.
        body: exactly as received.
        secret: `whsec_` and base64.
        now_s: Unix time.

    Raises:
        BadSignature: a header is missing, the time is not now, or no signature holds.
    """
    event_id, at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    check_time(at, now_s)
    try:
        key = b64decode(secret.removeprefix("whsec_"), validate=True)
    except NotBase64 as error:
        raise BadSignature("The secret for webhooks is not base64.") from error
    right = b64encode(hmac.digest(key, f"{event_id}.{at}.".encode() + body, sha256)).decode()
    given = [
        entry.partition(",")[2] for entry in headers.get("webhook-signature", "").split() if entry.startswith("v1,")
    ]
    if not event_id or not any(hmac.compare_digest(right.encode(), entry.encode()) for entry in given):
        raise BadSignature("The webhook's signature does not hold.")
    return event_id


def check_time(at: str, now_s: float) -> None:
    """Refuse what was not sent just now: it may be an old one, sent again by somebody else.

    Raises:
        BadSignature: it is no time, or more than five minutes off.
    """
    if not at.isdigit() or abs(now_s - int(at)) > TOLERANCE_S:
        raise BadSignature("The webhook's time is missing or too far from now.")
