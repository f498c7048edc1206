"""Who is logged in: a token in a cookie that only this console can read."""

import base64
import hashlib
import json
import secrets
from dataclasses import asdict, dataclass, field
from typing import Literal, cast

from cryptography.fernet import Fernet, InvalidToken

from ringback.clock import Instant

Role = Literal["full", "read"]
LIFETIME_S = 12 * 3600
"""How long a log-in lasts, in seconds."""
LONGEST_TOKEN = 2000
"""Cookies have room for 4 KiB; a sealed text is about half as long again as what it holds."""


@dataclass(frozen=True, slots=True)
class Session:
    """One log-in.

    Attributes:
        token: what the broker is shown.
        account: whose it is.
        role: what it may do.
        csrf: what forms of this session carry.
        fixed_keys: the account's signing keys cannot be rotated.
    """

    token: str = field(repr=False)
    account: str
    role: Role
    csrf: str = field(repr=False)
    fixed_keys: bool = False

    @property
    def may_write(self) -> bool:
        """Whether anything may be changed."""
        return self.role == "full"


def begin(token: str, account: str, role: Role, *, fixed_keys: bool) -> Session:
    """Return a new session."""
    return Session(token, account, role, secrets.token_urlsafe(24), fixed_keys)


class Seal:
    """Encrypts and authenticates what is kept in cookies.

    Args:
        secret: from which the key is derived; None for one that nobody else has and that is gone with the process.
    """

    def __init__(self, secret: bytes | None = None) -> None:
        material = secret or secrets.token_bytes(32)
        key = hashlib.blake2b(material, digest_size=32, person=b"ringback-console"[:16]).digest()
        self._fernet = Fernet(base64.urlsafe_b64encode(key))

    def seal(self, session: Session, now: Instant) -> str:
        """Return a session as text for a cookie."""
        return self.close(json.dumps(asdict(session)), now)

    def open(self, text: str, now: Instant) -> Session | None:
        """Return the session of a cookie; None for one that is not ours, was changed, or is too old."""
        told = self.read(text, now, LIFETIME_S)
        return Session(**cast("dict[str, str]", json.loads(told))) if told else None  # type: ignore[arg-type]

    def close(self, text: str, now: Instant) -> str:
        """Return text sealed."""
        return self._fernet.encrypt_at_time(text.encode(), now // 1000).decode()

    def read(self, sealed: str, now: Instant, lifetime_s: int) -> str | None:
        """Return what was sealed; None for what is not ours, was changed, or is too old."""
        try:
            return self._fernet.decrypt_at_time(sealed.encode(), lifetime_s, now // 1000).decode()
        except (InvalidToken, ValueError):
            return None
