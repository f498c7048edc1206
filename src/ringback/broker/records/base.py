"""What all records have in common."""

from msgspec import Struct

HeaderLines = tuple[tuple[str, str], ...]


class Record(Struct, frozen=True, array_like=True):
    """What all records derive from; array_like keeps the stored form small and fast."""
