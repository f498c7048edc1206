"""The operator, who has `STUDIO_OPERATOR_KEY`: programs send it, a browser gets a session of twelve hours for it."""

import hmac
from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from ringback_video.problems import Problem
from ringback_video.sealing import opened, sealed
from ringback_video.settings import Settings
from ringback_video.studio import Studio

OPERATOR_COOKIE = "studio_operator"
OPERATOR_SECONDS = 12 * 3600
_OPERATOR = "operator"
_BEARER = HTTPBearer(auto_error=False, scheme_name="Operator", description="`STUDIO_OPERATOR_KEY`.")


def operator_of(studio: Studio) -> Callable[..., None]:
    """Return the dependency that lets a program with the operator's key pass, and refuses everybody else."""

    def operator(bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)] = None) -> None:
        check_open(studio.settings)
        if bearer is None or not is_key(studio.settings, bearer.credentials):
            raise Problem(401, "No key", "Send the operator's key as `Authorization: Bearer KEY`.", "Authorization")

    return operator


def check_open(settings: Settings) -> None:
    """Refuse where there is no operator's key.

    Raises:
        Problem: it is not set.
    """
    if not settings.operator_key:
        raise Problem(403, "No operator", "STUDIO_OPERATOR_KEY is not set; `video-studio orders` works without it.")


def is_key(settings: Settings, key: str) -> bool:
    """Whether it is the operator's key; there must be one."""
    return hmac.compare_digest(key.encode(), settings.operator_key.encode())


def operator_session(settings: Settings) -> str:
    """Return the value of a cookie for whoever has shown the key; it ends with the key."""
    return sealed(_secret(settings), _OPERATOR, OPERATOR_SECONDS)


def has_session(settings: Settings, request: Request) -> bool:
    """Whether a browser has a session that is not over."""
    return opened(_secret(settings), request.cookies.get(OPERATOR_COOKIE, "")) == _OPERATOR


def _secret(settings: Settings) -> str:
    return f"{settings.secret}/{settings.operator_key}"
