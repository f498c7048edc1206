"""Random names: of runs, events and tokens."""

import secrets
import string

_ALPHABET = string.ascii_letters + string.digits + "-_"


def random_name(length: int) -> str:
    """Return `length` random characters that need no escaping in a URL."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def run_id(name: str | None = None) -> str:
    """Return the id of a new run: `wfr_` and `name`, or 21 random characters (protocol workflow 1.3)."""
    return f"wfr_{name or random_name(21)}"
