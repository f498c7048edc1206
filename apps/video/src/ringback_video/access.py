"""Who asks: a program with its shop's key, a browser with a session, or, where the demo is on, anybody as the demo shop."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from ringback.guard import is_known_here
from ringback_video.jobs import Shop
from ringback_video.keys import digest, shop_of
from ringback_video.problems import Problem
from ringback_video.sealing import opened, sealed
from ringback_video.studio import DEMO_SHOP, Studio

COOKIE = "studio_session"
SESSION_SECONDS = 30 * 24 * 3600
_SAFE = ("GET", "HEAD", "OPTIONS")
_BEARER = HTTPBearer(auto_error=False, description="A shop's key, made by `video-studio shop add`.")


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever asks.

    Attributes:
        shop: whose jobs are shown.
        by: what told us: `key`, `session`, or `demo`, which is nothing at all.
    """

    shop: str
    by: str


def caller_of(studio: Studio) -> Callable[..., Caller]:
    """Return the dependency that finds out who asks, and refuses with 401 where nobody is known."""

    def caller(
        request: Request, bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)] = None
    ) -> Caller:
        if bearer is not None:
            return _by_key(studio, bearer.credentials)
        found = browser_of(studio, request)
        if found is None:
            raise Problem(401, "No key", "Send your shop's key as `Authorization: Bearer KEY`.", "Authorization")
        if request.method not in _SAFE:
            check_origin(request, is_needed=found.by == "session")
        return found

    return caller


def browser_of(studio: Studio, request: Request) -> Caller | None:
    """Return who asks without a key: whose session it is, else the demo shop where the demo is on."""
    key_digest = opened(studio.settings.secret, request.cookies.get(COOKIE, ""))
    if key_digest:
        with studio.database.transaction() as session:
            shop = shop_of(session, key_digest)
        if shop is not None:
            return Caller(shop, "session")
    return Caller(DEMO_SHOP, "demo") if _is_demo(studio, request) else None


def _is_demo(studio: Studio, request: Request) -> bool:
    """Whether anybody may act as the demo shop; where only this machine reaches us, not pages whose site's name leads here."""
    settings = studio.settings
    return settings.is_demo and (settings.demo is not None or is_known_here(request.headers.get("host", "")))


def check_shop(studio: Studio, caller: Caller, shop_id: str) -> None:
    """Refuse what is asked in the name of another shop.

    Raises:
        Problem: it is another, or, where the demo is on, there is no such shop.
    """
    if shop_id == caller.shop:
        return
    if caller.by == "demo":
        with studio.database.transaction() as session:
            if session.get(Shop, shop_id) is None:
                raise Problem(404, "Unknown shop", f"There is no shop {shop_id!r}.", "shopId")
    raise Problem(403, "Another shop", f"You act for the shop {caller.shop!r}, not {shop_id!r}.", "shopId")


def check_origin(request: Request, *, is_needed: bool) -> None:
    """Refuse a change that another site's page has sent with our visitor's cookie.

    Args:
        request: says where it comes from in `Sec-Fetch-Site` or `Origin`, which pages cannot forge.
        is_needed: whether it must say so; programs do not.

    Raises:
        Problem: it comes from elsewhere.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        same = site == "same-origin"
    elif origin is not None:
        same = urlsplit(origin).netloc == request.headers.get("host")
    else:
        same = not is_needed
    if not same:
        raise Problem(403, "Another site", "Changes are taken from Studio's own pages only.", "Origin")


def start_session(studio: Studio, key: str) -> str | None:
    """Return the cookie's value for whoever has a key; None if the key is not good.

    The session ends with the key: what is signed is the key's digest, and it is looked up each time.
    """
    with studio.database.transaction() as session:
        if shop_of(session, digest(key)) is None:
            return None
    return sealed(studio.settings.secret, digest(key), SESSION_SECONDS)


def _by_key(studio: Studio, key: str) -> Caller:
    with studio.database.transaction() as session:
        shop = shop_of(session, digest(key))
    if shop is None:
        raise Problem(401, "Unknown key", "The key is not known, or has ended.", "Authorization")
    return Caller(shop, "key")
