"""The way out of an instance: this file writes lines of JSON to the descriptor the simulator reads."""

import json
import os
import threading
from typing import Any


class Reports:
    """Says what happens in this instance, a line at a time.

    Args:
        descriptor: the writing end of a pipe; child processes do not inherit it.
    """

    def __init__(self, descriptor: int) -> None:
        os.set_inheritable(descriptor, False)
        self._descriptor = descriptor
        self._one_at_a_time = threading.RLock()

    def say(self, kind: str, **what: Any) -> None:
        """Write one line."""
        line = json.dumps({"kind": kind, **what}).encode() + b"\n"
        with self._one_at_a_time:
            while line:
                line = line[os.write(self._descriptor, line) :]
