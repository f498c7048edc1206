"""Testing workflows and message handlers: a broker in the test's process, a clock that is turned, and the crash matrix."""

from ringback.testing.answers import Answer, Asked, Stub
from ringback.testing.attempts import Delivered, Spot
from ringback.testing.blocking import TestBroker
from ringback.testing.broker import AsyncTestBroker, Stuck
from ringback.testing.matrix import CrashMatrixFailed, Report, async_crash_matrix, crash_matrix
from ringback.testing.places import NobodyThere
from ringback.testing.seen import SeenMessage, SeenRun, SeenStep

__all__ = [
    "Answer",
    "Asked",
    "AsyncTestBroker",
    "CrashMatrixFailed",
    "Delivered",
    "NobodyThere",
    "Report",
    "SeenMessage",
    "SeenRun",
    "SeenStep",
    "Spot",
    "Stub",
    "Stuck",
    "TestBroker",
    "async_crash_matrix",
    "crash_matrix",
]
