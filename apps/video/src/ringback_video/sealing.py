"""What a browser keeps for us: a text, until when it is good, and our signature."""

import hashlib
import hmac
import time


def sealed(secret: str, text: str, seconds: int) -> str:
    """Return a cookie's value that `opened` reads until so many seconds have gone by."""
    signed = f"{text}.{int(time.time()) + seconds}"  # noqa: TID251 - the moment the session begins
    return f"{signed}.{_signature(secret, signed)}"


def opened(secret: str, cookie: str) -> str | None:
    """Return the text if the cookie is ours and not over."""
    signed, _, signature = cookie.rpartition(".")
    if not hmac.compare_digest(_signature(secret, signed).encode(), signature.encode()):
        return None
    text, _, until = signed.rpartition(".")
    return text if int(until) > time.time() else None  # noqa: TID251 - the moment of the request


def _signature(secret: str, signed: str) -> str:
    return hmac.new(secret.encode(), f"session/{signed}".encode(), hashlib.sha256).hexdigest()
