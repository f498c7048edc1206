"""A broker beside a simulation: this file runs `ringback dev` and reads the variables that it prints."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator

from ringback.errors import RingbackError

_NEEDED = ("QSTASH_URL", "QSTASH_TOKEN", "QSTASH_CURRENT_SIGNING_KEY", "QSTASH_NEXT_SIGNING_KEY")


class BrokerFailed(RingbackError):
    """The broker did not start; its own words are on stderr."""


@contextlib.contextmanager
def broker() -> Iterator[dict[str, str]]:
    """Run a development broker on a free port for the length of a block; gives the variables that reach it.

    Raises:
        BrokerFailed: it did not start.
    """
    command = [sys.executable, "-u", "-m", "ringback", "dev", "--port", "0"]
    # a session of its own: Ctrl-C is ours, and it is stopped last
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            told: dict[str, str] = {}
            for line in process.stdout or ():
                name, _, value = line.strip().partition("=")
                if name in _NEEDED:
                    told[name] = value
                if len(told) == len(_NEEDED):
                    break
            else:
                raise BrokerFailed("the broker beside the simulation did not start")
            yield told
        finally:
            process.terminate()
            process.communicate()
