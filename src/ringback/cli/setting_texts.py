"""From the text of a setting to its value; each raises `ValueError` with what was expected."""

import base64
import ipaddress
from collections.abc import Callable
from pathlib import Path

from ringback.broker.settings import KEY_BYTES
from ringback.errors import Refused
from ringback.wire import duration

_HIGHEST_PORT = 65_535


def whole(text: str) -> int:
    """Return a whole number, 0 or more."""
    if not (text.isascii() and text.isdigit()):
        raise ValueError("expected a whole number, 0 or more")
    return int(text)


def positive(text: str) -> int:
    """Return a whole number, 1 or more."""
    if whole(text) == 0:
        raise ValueError("expected a whole number, 1 or more")
    return int(text)


def port(text: str) -> int:
    """Return the number of a port."""
    if whole(text) > _HIGHEST_PORT:
        raise ValueError(f"expected a port, 0 to {_HIGHEST_PORT}")
    return int(text)


def address(text: str) -> str:
    """Return an http or https address, or nothing."""
    if text and not text.lower().startswith(("http://", "https://")):
        raise ValueError("expected an address that begins with http:// or https://")
    return text


def secret(text: str) -> str:
    """Return a token or a signing key. White space around it, such as the end of a line in a file, would never match."""
    if text != text.strip() or not (text.isascii() and text.isprintable()):
        raise ValueError("expected ASCII characters and no white space around them, as `ringback secrets` makes them")
    return text


def optional_secret(text: str) -> str:
    """Return a token, or nothing."""
    return secret(text) if text else ""


def optional_whole(text: str) -> int | None:
    """Return a whole number, None for nothing."""
    return whole(text) if text else None


def yes_or_no(text: str) -> bool:
    """Return what is said yes or no to."""
    if text.lower() in ("true", "1", "yes"):
        return True
    if text.lower() in ("false", "0", "no", ""):
        return False
    raise ValueError("expected true or false")


def one_of(*words: str) -> Callable[[str], str]:
    """Return what reads one of these words."""

    def read(text: str) -> str:
        if text.lower() not in words:
            raise ValueError(f"expected one of {', '.join(words)}")
        return text.lower()

    return read


def encryption_keys(text: str) -> tuple[bytes, ...]:
    """Return keys, separated by commas."""
    return tuple(_key(part) for part in names(text))


def _key(text: str) -> bytes:
    try:
        key = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise ValueError("expected keys of 32 bytes in base64, as `ringback secrets --encryption-key` makes them")
    return key


def milliseconds(text: str) -> int:
    """Return a duration in milliseconds."""
    try:
        return duration.parse(text)
    except Refused as error:
        raise ValueError(f"expected a duration such as 15m or 7d ({error.text})") from error


def names(text: str) -> tuple[str, ...]:
    """Return names, separated by commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def networks(text: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    """Return networks, separated by commas."""
    try:
        return tuple(ipaddress.ip_network(part) for part in names(text))
    except ValueError as error:
        raise ValueError(f"expected networks such as 10.0.0.0/8, separated by commas ({error})") from error


def database(text: str) -> Path | str:
    """Return where everything is kept: the address of a PostgreSQL database, or a file.

    Raises:
        ValueError: it is an address of something else.
    """
    if text.startswith(("postgresql://", "postgres://")):
        return text
    if "://" in text:
        raise ValueError("expected a file, or an address that begins with postgresql://")
    return Path(text)
