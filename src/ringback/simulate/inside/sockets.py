"""Connections that an instance keeps: this file finds them and how much has gone over each."""

import os
import socket
import stat
import struct
import sys
from collections.abc import Iterator

_FOLDER = "/proc/self/fd" if sys.platform == "linux" else "/dev/fd"
_TCP_INFO = getattr(socket, "TCP_INFO", None)


def open_connections(listening: int) -> dict[str, tuple[str, int]]:
    """Return the connections this process has opened: their identity, to the other end's address and the bytes so far.

    Args:
        listening: our own port; connections to it were opened by others.
    """
    return dict(_found(listening))


def _found(listening: int) -> Iterator[tuple[str, tuple[str, int]]]:
    for name in os.listdir(_FOLDER):  # noqa: PTH208 - numbers, not files
        try:
            about = os.fstat(int(name))
            if not stat.S_ISSOCK(about.st_mode):
                continue
            with socket.socket(fileno=os.dup(int(name))) as one:
                if one.family not in (socket.AF_INET, socket.AF_INET6) or one.type != socket.SOCK_STREAM:
                    continue
                here, there = one.getsockname(), one.getpeername()
                if here[1] != listening:
                    yield f"{about.st_ino}:{here[1]}", (f"{there[0]}:{there[1]}", _bytes(one))
        except OSError:
            continue  # closed meanwhile, or not connected


def _bytes(one: socket.socket) -> int:
    """Return how many bytes were acknowledged and received (tcp_info of Linux 4.1 and later), 0 where unknown."""
    if _TCP_INFO is None or sys.platform != "linux":
        return 0
    told = one.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, 136)
    return sum(struct.unpack_from("QQ", told, 120)) if len(told) >= 136 else 0
