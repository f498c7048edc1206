"""The `Upstash-Signature` of a delivery: made by the broker, checked by whoever receives it (protocol 5)."""

import hmac
from binascii import Error as BadBase64
from binascii import a2b_base64, b2a_base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from json.encoder import encode_basestring_ascii as quote
from typing import Any

from ringback.errors import SignatureInvalid
from ringback.wire.steps import load

ISSUER = "Upstash"
LIFETIME_S = 300

_HEADER = b"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"  # {"alg":"HS256","typ":"JWT"}
_OUR_HEADER = _HEADER.decode()
_TO_URLSAFE = bytes.maketrans(b"+/", b"-_")
_FROM_URLSAFE = bytes.maketrans(b"-_", b"+/")
_LONGEST_TOKEN = 16_384


@dataclass(frozen=True, slots=True)
class Claims:
    """What a valid signature says.

    Attributes:
        url: the destination the broker signed for (claim `sub`).
        issued_at: seconds since the epoch.
        id: the token's own id (claim `jti`).
    """

    url: str
    issued_at: int
    id: str


def sign(url: str, body: bytes, key: str, now_ms: int, jti: str) -> str:
    """Return the compact JWS for one delivery, valid for 300 s.

    Args:
        url: destination exactly as it will be requested, with its query.
        body: the bytes that will be sent.
        key: the current signing key; all of its text is the secret, `sig_` included.
        now_ms: the time of signing.
        jti: an id that is unique among tokens.
    """
    issued_at = now_ms // 1000  # rounded down: receivers refuse a token of the future
    digest = b2a_base64(sha256(body).digest(), newline=False).translate(_TO_URLSAFE).decode()
    # `nbf` 0 because receivers allow no clock difference (protocol 5.1)
    claims = (
        f'{{"iss":"{ISSUER}","sub":{quote(url)},"exp":{issued_at + LIFETIME_S},"nbf":0,'
        f'"iat":{issued_at},"jti":{quote(jti)},"body":"{digest}"}}'
    )
    signed = b"%b.%b" % (_HEADER, _b64(claims.encode()))
    return f"{signed.decode()}.{_b64(_mac(key, signed)).decode()}"


def verify(
    token: str,
    body: bytes,
    keys: Iterable[str],
    now_ms: int,
    url: str | None = None,
    tolerance_s: int = 10,
) -> Claims:
    """Check that `token` was made for `body` by someone who holds one of `keys`; return what it says.

    Args:
        token: value of the header `Upstash-Signature`.
        body: the raw bytes received, before any parser.
        keys: the current signing key, then the next one: keys rotate with an overlap. None may be empty: anybody could sign
            with it.
        now_ms: the time of receipt.
        url: when given, the signature must be for this very URL.
        tolerance_s: by how many seconds the two clocks may differ.

    Raises:
        SignatureInvalid: forged, expired, not yet valid, or for another body or URL.
        ValueError: a key is empty, or the keys are one text.
    """
    if isinstance(keys, str) or not all(known := tuple(keys)):
        raise ValueError("signing keys: expected a sequence of keys, none of them empty")
    claims = _claims(token, known)
    now = now_ms / 1000
    if claims.get("iss") != ISSUER:
        raise SignatureInvalid(f"the signature's issuer must be {ISSUER!r}")
    if _number(claims, "exp") <= now - tolerance_s:
        raise SignatureInvalid("the signature has expired")
    if max(_number(claims, "nbf"), _number(claims, "iat")) > now + tolerance_s:
        raise SignatureInvalid("the signature is not valid yet: compare the clocks of broker and receiver")
    if not _same(str(claims.get("body")).rstrip("="), _b64(sha256(body).digest()).decode()):
        raise SignatureInvalid("the signature is for another body")
    if url is not None and claims.get("sub") != url:
        raise SignatureInvalid("the signature is for another URL")
    return Claims(str(claims.get("sub", "")), int(_number(claims, "iat")), str(claims.get("jti", "")))


def _claims(token: str, keys: Sequence[str]) -> dict[str, Any]:
    signed, _, mac = token.rpartition(".")
    header, _, payload = signed.partition(".")
    if len(token) > _LONGEST_TOKEN or not (header and payload and mac and token.isascii()):
        raise SignatureInvalid("the signature is missing or is no JWT")
    if header != _OUR_HEADER and _json(header).get("alg") != "HS256":
        raise SignatureInvalid("the signature's algorithm must be HS256")
    if not any(_same(mac.rstrip("="), _b64(_mac(key, signed.encode())).decode()) for key in keys):
        raise SignatureInvalid("the signature was made with another key")
    return _json(payload)


def _json(part: str) -> dict[str, Any]:
    try:
        raw = part.encode().translate(_FROM_URLSAFE)
        value = load(a2b_base64(raw + b"=" * (-len(raw) % 4)).decode())
    except (BadBase64, ValueError, RecursionError):
        raise SignatureInvalid("the signature is no JWT") from None
    if not isinstance(value, dict):
        raise SignatureInvalid("the signature is no JWT")
    return value


def _number(claims: dict[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e12:
        raise SignatureInvalid(f"the signature's claim {name!r} must be a number of seconds")
    return value


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def _b64(raw: bytes) -> bytes:
    return b2a_base64(raw, newline=False).translate(_TO_URLSAFE).rstrip(b"=")


def _mac(key: str, text: bytes) -> bytes:
    inner, outer = _keyed(key)
    inner, outer = inner.copy(), outer.copy()
    inner.update(text)
    outer.update(inner.digest())
    digest: bytes = outer.digest()
    return digest


@lru_cache(maxsize=64)
def _keyed(key: str) -> tuple[Any, Any]:
    """Return both hash states of HMAC (RFC 2104) after the key: copying them is cheaper than hmac.new."""
    block = key.encode()
    if len(block) > 64:
        block = sha256(block).digest()
    block = block.ljust(64, b"\0")
    return sha256(bytes(b ^ 0x36 for b in block)), sha256(bytes(b ^ 0x5C for b in block))
