"""What Studio asks of a storage."""

import re
import secrets
from pathlib import Path
from typing import Protocol

LINK_SECONDS = 600
"""How long a link to a file is good."""
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")


class StorageUnavailable(Exception):
    """The storage cannot be reached, or refuses; the text is for a person. Trying again may help."""


class Storage(Protocol):
    """Files of one kind, under names that cannot be guessed."""

    def keep(self, file: Path, suffix: str, media_type: str, name: str | None = None) -> str:
        """Keep a copy of a file, under a name of its own or the given one; return the name.

        A second copy under the same name takes the place of the first, whole.

        Args:
            file: what to copy; it is streamed, not loaded.
            suffix: of the name, such as ".mp4".
            media_type: what a download says it is.
            name: without the suffix.

        Raises:
            StorageUnavailable: it was not kept.
        """

    def load(self, name: str) -> bytes | None:
        """Return a file, None if there is none of that name.

        Raises:
            StorageUnavailable: nobody knows.
        """

    def link(self, name: str, media_type: str) -> str | None:
        """Return an address where whoever has it can fetch the file for a while; None if there is no such file.

        Raises:
            StorageUnavailable: nobody knows.
        """


def full_name(name: str | None, suffix: str) -> str:
    """Return the name of a new file."""
    return f"{name or secrets.token_urlsafe(18)}{suffix}"


def is_name(text: str) -> bool:
    """Whether a name could be one of ours, so that nothing else is asked for."""
    return _NAME.fullmatch(text) is not None
