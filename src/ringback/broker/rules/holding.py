"""How much a node has in flight of what it may, and in words what it has no room for."""

from msgspec import Struct

_NONE: frozenset[int] = frozenset()


class Holding(Struct, frozen=True):
    """What one node has in flight, what its settings allow, and who waits for it here.

    Attributes:
        attempts: attempts under way or about to be.
        most_attempts: how many it may have, `RINGBACK_IN_FLIGHT`.
        size: bytes of their bodies and of the lists of runs they carry.
        most_bytes: how many it may hold before nothing more begins, `RINGBACK_IN_FLIGHT_BYTES`.
        per_host: how many attempts to one host it may have, `RINGBACK_IN_FLIGHT_PER_HOST`.
        behind_hosts: messages leased to it that wait for others to the same host.
        beyond: messages leased to it that wait for any other attempt to end.
    """

    attempts: int = 0
    most_attempts: int = 1 << 62
    size: int = 0
    most_bytes: int = 1 << 62
    per_host: int = 1 << 62
    behind_hosts: frozenset[int] = _NONE
    beyond: frozenset[int] = _NONE

    def shortage(self) -> str:
        """Say of what it has as much as it may, and by which setting; "" where more can begin."""
        if self.attempts >= self.most_attempts:
            return (
                f"this broker has {self.attempts:,} attempts in flight, and RINGBACK_IN_FLIGHT allows "
                f"{self.most_attempts:,}"
            )
        if self.size >= self.most_bytes:
            return (
                f"this broker has {self.size:,} bytes of bodies in flight, and RINGBACK_IN_FLIGHT_BYTES allows "
                f"{self.most_bytes:,}"
            )
        return ""
