"""Where uploads and finished videos are kept: a folder, names that cannot be guessed."""

import secrets
from pathlib import Path


class Storage:
    """Files in a folder.

    Args:
        folder: made if it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def keep(self, data: bytes, suffix: str, name: str | None = None) -> str:
        """Keep a file under a name of its own, or under the given one; return the name."""
        name = f"{name or secrets.token_urlsafe(18)}{suffix}"
        part = self._folder / f".{name}.{secrets.token_hex(4)}"
        part.write_bytes(data)
        part.replace(self._folder / name)
        return name

    def path(self, name: str) -> Path | None:
        """Return where a file is, None if there is none of that name."""
        path = self._folder / name
        return path if "/" not in name and not name.startswith(".") and path.is_file() else None
