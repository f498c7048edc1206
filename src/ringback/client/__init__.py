"""The way to a broker's workflow API, for programs that start, steer and watch runs."""

from ringback.client.bulk import Part
from ringback.client.client import AsyncWorkflowClient, WorkflowClient
from ringback.client.errors import BrokerMisunderstood, BrokerUnreachable
from ringback.client.filters import DeadLetterFilter, LogFilter, RunFilter
from ringback.client.options import FlowControl, RunOptions
from ringback.client.runs import Page, Start, Triggered
from ringback.client.settings import Broker, SettingMissing
from ringback.client.transport import AsyncTransport, Transport

__all__ = [
    "AsyncTransport",
    "AsyncWorkflowClient",
    "Broker",
    "BrokerMisunderstood",
    "BrokerUnreachable",
    "DeadLetterFilter",
    "FlowControl",
    "LogFilter",
    "Page",
    "Part",
    "RunFilter",
    "RunOptions",
    "SettingMissing",
    "Start",
    "Transport",
    "Triggered",
    "WorkflowClient",
]
