"""What the broker remembers: plain frozen records.

Times are milliseconds since the epoch, durations milliseconds unless the name says otherwise. New fields are added at
the end, with a default, because records are stored as arrays.
"""

from ringback.broker.records.base import HeaderLines, Record
from ringback.broker.records.history import (
    AuditEntry,
    DailyCount,
    Event,
    FacetLabel,
    Facets,
    MinuteCounts,
    State,
    Stretch,
)
from ringback.broker.records.messages import DeadLetter, Dedup, Delivery, Kind, Message, RunRef
from ringback.broker.records.runs import (
    ActiveRun,
    Entry,
    FailureFunction,
    FailureState,
    Invoker,
    Progress,
    Run,
    RunState,
    SavedEvent,
    Waiter,
)
from ringback.broker.records.setup import Endpoint, Lane, LaneKind, Schedule, SigningKeys, UrlGroup
from ringback.broker.records.upkeep import BulkAction, BulkCancel, Node, Removal, SetBack

__all__ = [
    "ActiveRun",
    "AuditEntry",
    "BulkAction",
    "BulkCancel",
    "DailyCount",
    "DeadLetter",
    "Dedup",
    "Delivery",
    "Endpoint",
    "Entry",
    "Event",
    "FacetLabel",
    "Facets",
    "FailureFunction",
    "FailureState",
    "HeaderLines",
    "Invoker",
    "Kind",
    "Lane",
    "LaneKind",
    "Message",
    "MinuteCounts",
    "Node",
    "Progress",
    "Record",
    "Removal",
    "Run",
    "RunRef",
    "RunState",
    "SavedEvent",
    "Schedule",
    "SetBack",
    "SigningKeys",
    "State",
    "Stretch",
    "UrlGroup",
    "Waiter",
]
