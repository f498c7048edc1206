"""The way to a broker's workflow API, for programs that start, steer and watch runs."""

from ringback.client.client import AsyncWorkflowClient, WorkflowClient
from ringback.client.errors import BrokerMisunderstood, BrokerUnreachable
from ringback.client.options import FlowControl, RunOptions
from ringback.client.runs import LogFilter, Page, RunFilter, Start, Triggered
from ringback.client.settings import Broker, SettingMissing
from ringback.client.transport import AsyncTransport, Transport

__all__ = [
    "AsyncTransport",
    "AsyncWorkflowClient",
    "Broker",
    "BrokerMisunderstood",
    "BrokerUnreachable",
    "FlowControl",
    "LogFilter",
    "Page",
    "RunFilter",
    "RunOptions",
    "SettingMissing",
    "Start",
    "Transport",
    "Triggered",
    "WorkflowClient",
]
