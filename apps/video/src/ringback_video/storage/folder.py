"""Storage in a folder; links are signed, and served by Studio itself."""

import hashlib
import hmac
import secrets
import shutil
import time
from pathlib import Path

from ringback_video.storage.contract import LINK_SECONDS, StorageUnavailable, full_name, is_name


class FolderStorage:
    """Files in a folder.

    Args:
        folder: made if it is not there.
        address: path at which Studio serves the folder, without a slash at the end; under whichever name Studio was asked.
        secret: signs the links.
    """

    def __init__(self, folder: Path, address: str, secret: str) -> None:
        self._folder = folder
        self._address = address
        self._secret = secret.encode()
        folder.mkdir(parents=True, exist_ok=True)

    def keep(self, file: Path, suffix: str, media_type: str, name: str | None = None) -> str:  # noqa: ARG002 - the route knows it
        """See `Storage.keep`."""
        kept = full_name(name, suffix)
        part = self._folder / f".{kept}.{secrets.token_hex(4)}"
        try:
            shutil.copyfile(file, part)
            part.replace(self._folder / kept)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise StorageUnavailable(f"The file could not be kept: {error.strerror}.") from error
        return kept

    def load(self, name: str) -> bytes | None:
        """See `Storage.load`."""
        path = self._path(name)
        return path.read_bytes() if path else None

    def link(self, name: str, media_type: str) -> str | None:  # noqa: ARG002 - the route knows it
        """See `Storage.link`; links of one minute are alike, so that browsers keep what they have."""
        if self._path(name) is None:
            return None
        until = (int(time.time()) // 60 + 1) * 60 + LINK_SECONDS  # noqa: TID251 - the moment a link is made
        return f"{self._address}/{name}?until={until}&signature={self._signature(name, until)}"

    def served(self, name: str, until: int, signature: str) -> Path | None:
        """Return the file that a link leads to; None if the link is forged or over, or the file is gone."""
        good = hmac.compare_digest(self._signature(name, until).encode(), signature.encode())
        return self._path(name) if good and until >= time.time() else None  # noqa: TID251 - the moment it is followed

    def _path(self, name: str) -> Path | None:
        path = self._folder / name
        return path if is_name(name) and path.is_file() else None

    def _signature(self, name: str, until: int) -> str:
        return hmac.new(self._secret, f"{self._folder.name}/{name}/{until}".encode(), hashlib.sha256).hexdigest()
