"""Studio where no process stays and no disk is kept: Vercel, Lambda, Cloud Run.

What such a platform cannot give is asked for at the start, all of it at once, instead of being missed at the first order.
"""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from fastapi import FastAPI

from ringback_video.app import create_app
from ringback_video.settings import Settings, from_environment
from ringback_video.studio import build

_PLATFORMS = ("VERCEL", "AWS_LAMBDA_FUNCTION_NAME", "K_SERVICE")
_STREAM_S = 20.0


def is_serverless(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this process runs on a platform that freezes it between requests."""
    return any(environment.get(name) for name in _PLATFORMS)


def create_serverless_app(
    environment: Mapping[str, str] = os.environ, previews: Path | None = None, stream_s: float = _STREAM_S
) -> FastAPI:
    """Return Studio as an ASGI application for a serverless platform.

    Args:
        environment: as `.env.example` says.
        previews: folder with the templates' moving previews, made beforehand: nothing goes on here after a request.
        stream_s: longest answer of `GET /api/jobs/{id}/events` in seconds, 0 for one event; browsers ask again.

    Raises:
        ValueError: a variable is missing or cannot work here; the text names all that are.
    """
    return create_app(build(serverless_settings(environment, previews, stream_s)))


def serverless_settings(
    environment: Mapping[str, str], previews: Path | None = None, stream_s: float = _STREAM_S
) -> Settings:
    """Return the settings; see `create_serverless_app`."""
    wrong = []
    if environment.get("DATABASE_URL", "sqlite").startswith("sqlite") or not environment["DATABASE_URL"]:
        wrong.append("DATABASE_URL must be a PostgreSQL: instances have no disk in common")
    if not environment.get("STUDIO_S3_BUCKET"):
        wrong.append("STUDIO_S3_BUCKET must name a bucket: files in a folder are gone with the instance")
    if environment.get("STUDIO_PROVIDER", "local") in ("", "local"):
        wrong.append(
            "STUDIO_PROVIDER must not be local: our own renderer goes on after the request, and is frozen here"
        )
    if not environment.get("STUDIO_URL"):
        wrong.append("STUDIO_URL must be the public address: the broker calls it")
    if wrong:
        raise ValueError("; ".join(wrong))
    folder = environment.get("STUDIO_DATA") or str(Path(tempfile.gettempdir()) / "studio")
    return replace(from_environment({**environment, "STUDIO_DATA": folder}), previews=previews, stream_s=stream_s)
