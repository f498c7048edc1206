"""Shops and their keys: a key is shown once, and only its SHA-256 is kept."""

import hashlib
import re
import secrets
from datetime import timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from ringback_video.jobs import Key, Shop
from ringback_video.ledger import videos_used
from ringback_video.tables import now

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


def digest(key: str) -> str:
    """Return what is kept of a key; keys are 256 random bits, so that a plain hash cannot be turned back."""
    return hashlib.sha256(key.encode()).hexdigest()


def add_shop(session: Session, name: str, quota: int) -> str:
    """Make a shop; return its first key.

    Raises:
        ValueError: the name cannot be used.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"a shop's name is made of a-z, 0-9 and -, at most 64 of them, not {name!r}")
    if session.get(Shop, name) is not None:
        raise ValueError(f"there is a shop {name!r} already; `video-studio shop key {name}` makes a new key")
    session.add(Shop(id=name, quota=quota))
    session.flush()
    return _add_key(session, name)


def rotate_key(session: Session, name: str, overlap: timedelta) -> str:
    """Give a shop a new key; those it had end after the overlap, or when they would have ended anyway.

    Raises:
        ValueError: there is no such shop.
    """
    if session.get(Shop, name, with_for_update=True) is None:
        raise ValueError(f"there is no shop {name!r}; `video-studio shop add {name}` makes one")
    end = now() + overlap
    for key in session.scalars(select(Key).where(Key.shop_id == name)):
        key.revoked_at = min(key.revoked_at or end, end)
    return _add_key(session, name)


def shop_of(session: Session, key_digest: str) -> str | None:
    """Return whose key it is; None if it is nobody's, or has ended."""
    good = or_(Key.revoked_at.is_(None), Key.revoked_at > now())
    return session.scalar(select(Key.shop_id).where(Key.digest == key_digest, good))


def list_shops(session: Session) -> list[str]:
    """Return a line for each shop, below a heading."""
    lines = [f"{'shop':<24} {'videos':>8} {'quota':>8} {'keys':>5}"]
    for shop in session.scalars(select(Shop).order_by(Shop.id)):
        keys = session.scalars(select(Key).where(Key.shop_id == shop.id))
        good = sum(key.revoked_at is None or key.revoked_at > now() for key in keys)
        lines.append(f"{shop.id:<24} {videos_used(session, shop.id):>8} {shop.quota:>8} {good:>5}")
    return lines


def _add_key(session: Session, name: str) -> str:
    key = f"vs_{secrets.token_urlsafe(32)}"
    session.add(Key(digest=digest(key), shop_id=name, created_at=now()))
    return key
