"""Read by Python before anything else: the wall clock of this process is as many seconds off as a file says.

What measures how long something takes is left alone, as when somebody sets the clock of a machine. libfaketime does the same
for any program, but keeps the event loop from waking up in time.
"""

import os
import time
from pathlib import Path

_true = time.time_ns
_file = Path(os.environ["CLOCK_FILE"])


def _time_ns() -> int:
    return _true() + int(_file.read_text()) * 1_000_000_000


time.time_ns = _time_ns
