"""What reading JSON from outside raises where it cannot be read."""

from msgspec import MsgspecError

UNREADABLE = (MsgspecError, UnicodeDecodeError, RecursionError)
"""It is no JSON of the shape that is expected, no text, or nested too deep."""
