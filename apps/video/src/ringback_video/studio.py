"""Studio put together: what every part of it needs."""

import os
from contextlib import suppress
from dataclasses import dataclass

from qstash import QStash
from sqlalchemy.exc import IntegrityError

from ringback.client import Broker
from ringback_video.database import Database
from ringback_video.jobs import Shop
from ringback_video.providers.contract import Provider
from ringback_video.providers.registry import make_provider
from ringback_video.settings import Settings
from ringback_video.storage import FolderStorage, Storage

DEMO_SHOP = "demo-shop"


@dataclass(frozen=True, slots=True)
class Studio:
    """The parts.

    Attributes:
        settings: what Studio was told.
        database: jobs, shops, usage.
        queue: the broker's client, for publishing.
        provider: makes the videos.
        uploads: photos that customers have uploaded.
        videos: finished videos.
    """

    settings: Settings
    database: Database
    queue: QStash
    provider: Provider
    uploads: Storage
    videos: Storage

    @property
    def broker(self) -> Broker:
        """Where ringback's own clients find the broker."""
        return Broker(self.settings.qstash_url, self.settings.qstash_token, self.settings.signing_keys)


def build(settings: Settings) -> Studio:
    """Put Studio together; the demo shop exists from the start.

    Raises:
        ValueError: the provider cannot be put together; the text says what is missing.
    """
    settings.data.mkdir(parents=True, exist_ok=True)
    database = Database(settings.database_url)
    with suppress(IntegrityError), database.transaction() as session:  # another process may be first
        if session.get(Shop, DEMO_SHOP) is None:
            session.add(Shop(id=DEMO_SHOP, quota=settings.quota))
    return Studio(
        settings,
        database,
        QStash(settings.qstash_token, base_url=settings.qstash_url, retry={"retries": 2, "backoff": lambda _: 200}),
        make_provider(settings.provider, os.environ, settings.data / "operations"),
        _storage(settings, "uploads"),
        _storage(settings, "videos"),
    )


def _storage(settings: Settings, kind: str) -> Storage:
    """Return where files of one kind are kept: a folder, unless a bucket is named."""
    if not settings.bucket:
        return FolderStorage(settings.data / kind, f"/files/{kind}", settings.secret)
    from ringback_video.storage.s3 import S3Storage

    return S3Storage(settings.bucket, f"{kind}/", settings.s3_url or None)
