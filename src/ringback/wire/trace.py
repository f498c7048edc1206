"""The trace a message belongs to: W3C Trace Context, passed on from the publish to each attempt."""

import re

import msgspec.structs

from ringback.wire.http import Request
from ringback.wire.options import Options

NAMES = frozenset({"traceparent", "tracestate"})
"""The headers of a trace, in lower case; they are no part of what makes two messages the same."""
_PARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")
_LONGEST_STATE = 512


def traced(options: Options, request: Request) -> Options:
    """Return the options of a message with the trace of the request that published it.

    A trace that the publisher forwards by hand wins; one that cannot be read is left out, as the standard says.
    """
    trace = request.once("trace", lambda: _trace(request))
    if not trace or any(name.lower() == "traceparent" for name, _ in options.headers):
        return options
    return msgspec.structs.replace(options, headers=(*options.headers, *trace))


def _trace(request: Request) -> tuple[tuple[str, str], ...]:
    parent, state = request.header("traceparent"), request.header("tracestate")
    if parent is None or not _PARENT.fullmatch(parent):
        return ()
    told = ("Traceparent", parent)
    return (told, ("Tracestate", state)) if state and len(state) <= _LONGEST_STATE else (told,)
