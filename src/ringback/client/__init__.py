"""The way to a broker's workflow API, for programs that start, steer and watch runs."""

from ringback.client.errors import BrokerMisunderstood, BrokerUnreachable
from ringback.client.options import FlowControl, RunOptions
from ringback.client.settings import Broker, SettingMissing
from ringback.client.transport import AsyncTransport, Transport

__all__ = [
    "AsyncTransport",
    "Broker",
    "BrokerMisunderstood",
    "BrokerUnreachable",
    "FlowControl",
    "RunOptions",
    "SettingMissing",
    "Transport",
]
