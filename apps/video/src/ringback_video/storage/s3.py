"""Storage in S3, or whatever speaks its protocol; links are presigned, and downloads do not pass through Studio."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from botocore.client import Config
from botocore.exceptions import BotoCoreError, ClientError

from ringback_video.storage.contract import LINK_SECONDS, StorageUnavailable, full_name, is_name

_MISSING = frozenset({"404", "NoSuchKey", "NotFound"})


class S3Storage:
    """Files below a prefix of a bucket. Credentials come from where boto3 looks for them (environment, role).

    Args:
        bucket: must exist.
        prefix: such as "videos/".
        endpoint: address of a store that is not Amazon's; None for Amazon's.
    """

    def __init__(self, bucket: str, prefix: str, endpoint: str | None = None) -> None:
        self._bucket = bucket
        self._prefix = prefix
        style = {"addressing_style": "path"} if endpoint else {}
        config = Config(
            signature_version="s3v4", connect_timeout=5, read_timeout=30, retries={"max_attempts": 3}, s3=style
        )
        self._client: Any = boto3.client("s3", endpoint_url=endpoint, config=config)

    def keep(self, file: Path, suffix: str, media_type: str, name: str | None = None) -> str:
        """See `Storage.keep`."""
        kept = full_name(name, suffix)
        with _in_words_of_studio():
            self._client.upload_file(str(file), self._bucket, self._key(kept), ExtraArgs={"ContentType": media_type})
        return kept

    def load(self, name: str) -> bytes | None:
        """See `Storage.load`."""
        if not is_name(name):
            return None
        try:
            with _in_words_of_studio():
                found = self._client.get_object(Bucket=self._bucket, Key=self._key(name))
                return bytes(found["Body"].read())
        except _Missing:
            return None

    def link(self, name: str, media_type: str) -> str | None:
        """See `Storage.link`."""
        if not is_name(name):
            return None
        try:
            with _in_words_of_studio():
                self._client.head_object(Bucket=self._bucket, Key=self._key(name))
                asked = {"Bucket": self._bucket, "Key": self._key(name), "ResponseContentType": media_type}
                return str(self._client.generate_presigned_url("get_object", asked, LINK_SECONDS))
        except _Missing:
            return None

    def _key(self, name: str) -> str:
        return f"{self._prefix}{name}"


class _Missing(Exception):
    """There is no such file."""


@contextmanager
def _in_words_of_studio() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in _MISSING:
            raise _Missing from error
        raise StorageUnavailable(f"The storage refused: {error}") from error
    except (BotoCoreError, boto3.exceptions.Boto3Error) as error:
        raise StorageUnavailable(f"The storage cannot be reached: {error}") from error
