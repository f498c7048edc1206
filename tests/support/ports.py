"""Free ports for servers that must be told theirs."""

import random
import socket

_BELOW_OUTGOING = range(10_000, 32_000)
"""Ports the system gives to nobody by itself: one of its own choice could be taken by a connection before the server is up."""
_random = random.SystemRandom()  # what seeds the other one would seed all processes that test side by side


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on at this moment."""
    while True:
        port = _random.choice(_BELOW_OUTGOING)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
