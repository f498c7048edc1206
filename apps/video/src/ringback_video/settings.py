"""Settings of Video Studio, read once from the environment."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

ASSETS = Path(__file__).parent / "assets"
PHOTOS = ASSETS / "photos"
_SHORTEST_KEY = 20


@dataclass(frozen=True, slots=True)
class Settings:
    """What Studio is told.

    Attributes:
        data: folder for the database, uploads, renderings and finished videos.
        database_url: SQLAlchemy URL.
        public_url: where the broker and the customers' browsers reach Studio.
        qstash_url, qstash_token: the broker that jobs are published to.
        signing_keys: the keys its deliveries may be signed with, the current one first.
        quota: finished videos a new shop may have.
        private_sources: whether photos may be fetched from loopback and private addresses.
        secret: signs links to files and sessions.
        bucket: S3 bucket that uploads and videos are kept in; empty for folders below `data`.
        s3_url: address of an S3-compatible store that is not Amazon's.
        provider: what makes the videos: `local`, or a name in `providers/registry.py`.
        video_cents: what a video is expected to cost, in hundredths of your currency; reserved with each order.
        unit_cents: what one unit costs that the provider counts in (credits, seconds); 0 where the expected cost counts.
        daily_cents: most that the orders of one shop may cost in a day (UTC); None for no limit.
        starts_a_minute: how many jobs of one shop begin in a minute; the others wait in the broker.
        parallelism: how many steps of all jobs are under way at once.
        previews: folder with the templates' previews; below `data`, and made when asked for, unless given.
        stream_s: longest answer of server-sent events, in seconds.
        operator_key: opens the operator's part of the API and its page; empty: they are closed.
        demo: whether whoever has no key acts as the demo shop; None where `public_url` decides.
    """

    data: Path
    database_url: str
    public_url: str
    qstash_url: str
    qstash_token: str
    signing_keys: tuple[str, ...]
    quota: int = 1000
    private_sources: bool = False
    secret: str = ""
    bucket: str = ""
    s3_url: str = ""
    provider: str = "local"
    video_cents: int = 0
    unit_cents: float = 0.0
    daily_cents: int | None = None
    starts_a_minute: int = 60
    parallelism: int = 50
    previews: Path | None = None
    stream_s: float = 900.0
    demo: bool | None = None
    operator_key: str = ""

    @property
    def is_demo(self) -> bool:
        """Whether the demo is on: as told, else where Studio's own address is one that only this machine reaches."""
        if self.demo is not None:
            return self.demo
        host = urlsplit(self.public_url).hostname or ""
        return host in ("localhost", "::1") or (host.startswith("127.") and host.replace(".", "").isdigit())


def from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings.

    Raises:
        ValueError: a variable is missing or not what it should be; the text names it.
    """
    return Settings(
        data=data_folder(environment),
        database_url=database_url(environment),
        public_url=environment.get("STUDIO_URL", "http://127.0.0.1:8000").rstrip("/"),
        qstash_url=_needed(environment, "QSTASH_URL").rstrip("/"),
        qstash_token=_needed(environment, "QSTASH_TOKEN"),
        signing_keys=(
            _needed(environment, "QSTASH_CURRENT_SIGNING_KEY"),
            _needed(environment, "QSTASH_NEXT_SIGNING_KEY"),
        ),
        quota=default_quota(environment),
        private_sources=environment.get("STUDIO_PRIVATE_SOURCES", "").lower() in ("1", "true"),
        secret=environment.get("STUDIO_SECRET") or _derived_secret(environment),
        bucket=environment.get("STUDIO_S3_BUCKET", ""),
        s3_url=environment.get("STUDIO_S3_URL", ""),
        provider=environment.get("STUDIO_PROVIDER") or "local",
        demo=_yes_or_no(environment, "STUDIO_DEMO"),
        operator_key=_operator_key(environment),
        video_cents=_whole(environment, "STUDIO_VIDEO_CENTS", 0),
        unit_cents=_amount(environment, "STUDIO_UNIT_CENTS"),
        daily_cents=_whole(environment, "STUDIO_DAILY_CENTS", 0) or None,
        starts_a_minute=_whole(environment, "STUDIO_STARTS_A_MINUTE", 60, least=1),
        parallelism=_whole(environment, "STUDIO_PARALLELISM", 50, least=1),
    )


def data_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder for everything that is kept."""
    return Path(environment.get("STUDIO_DATA", "data")).resolve()


def database_url(environment: Mapping[str, str] = os.environ) -> str:
    """Return the SQLAlchemy URL of the database."""
    return environment.get("DATABASE_URL") or f"sqlite:///{data_folder(environment) / 'studio.db'}"


def default_quota(environment: Mapping[str, str] = os.environ) -> int:
    """Return how many finished videos a new shop may have.

    Raises:
        ValueError: it is not a whole number.
    """
    return _whole(environment, "STUDIO_QUOTA", 1000)


def _yes_or_no(environment: Mapping[str, str], name: str) -> bool | None:
    text = environment.get(name, "").lower()
    if text not in ("", "0", "1", "false", "true"):
        raise ValueError(f"{name} must be true or false, not {text!r}")
    return text in ("1", "true") if text else None


def _operator_key(environment: Mapping[str, str]) -> str:
    key = environment.get("STUDIO_OPERATOR_KEY", "")
    if key and len(key) < _SHORTEST_KEY:
        raise ValueError(f"STUDIO_OPERATOR_KEY must have at least {_SHORTEST_KEY} characters: it decides about money")
    return key


def _derived_secret(environment: Mapping[str, str]) -> str:
    """Return a secret that all instances share without being told: made from the broker's token, which it does not give away."""
    return hashlib.sha256(b"video studio links " + _needed(environment, "QSTASH_TOKEN").encode()).hexdigest()


def _needed(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name, "")
    if not value:
        raise ValueError(f"{name} is not set; .env.example says what it is")
    return value


def _whole(environment: Mapping[str, str], name: str, default: int, least: int = 0) -> int:
    text = environment.get(name) or str(default)
    if not text.isdigit() or int(text) < least:
        raise ValueError(f"{name} must be a whole number{f' of at least {least}' if least else ''}, not {text!r}")
    return int(text)


def _amount(environment: Mapping[str, str], name: str) -> float:
    text = environment.get(name) or "0"
    if not text.replace(".", "", 1).isdigit():
        raise ValueError(f"{name} must be a number such as 2.5, not {text!r}")
    return float(text)
