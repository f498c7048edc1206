"""What the console needs beside a broker; looked for without loading it, so that a broker starts at once."""

from importlib.util import find_spec

_LIBRARIES = ("cron_descriptor", "cryptography", "jinja2", "starlette")
REMEDY = "pip install 'ringback[console]'"


def missing(*more: str) -> str | None:
    """Return the first library of the console that is not installed, None if all are."""
    return next((name for name in (*_LIBRARIES, *more) if find_spec(name) is None), None)
