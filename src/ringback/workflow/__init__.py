"""Workflows that survive: steps in plain Python, each delivered by a call from the broker."""

from ringback.client.options import FlowControl, RunOptions
from ringback.workflow.blocking import BlockingContext
from ringback.workflow.charging import ParkedCharge, charge_once
from ringback.workflow.checking import Checked, check_runs
from ringback.workflow.context import Context
from ringback.workflow.definition import ServeOptions, Workflow, workflow
from ringback.workflow.errors import (
    ChargeRefused,
    ChargeUnclear,
    Misuse,
    NonRetryableError,
    NotSerializable,
    RetryAfterError,
    StepFailed,
    StepMismatch,
    Unclear,
    WorkflowError,
)
from ringback.workflow.failure import Failure
from ringback.workflow.middleware import Middleware
from ringback.workflow.pending import PendingStep
from ringback.workflow.steps import Event, Invoked, Notified, Response, Webhook, WebhookCall, WebhookRequest

__all__ = [
    "BlockingContext",
    "ChargeRefused",
    "ChargeUnclear",
    "Checked",
    "Context",
    "Event",
    "Failure",
    "FlowControl",
    "Invoked",
    "Middleware",
    "Misuse",
    "NonRetryableError",
    "NotSerializable",
    "Notified",
    "ParkedCharge",
    "PendingStep",
    "Response",
    "RetryAfterError",
    "RunOptions",
    "ServeOptions",
    "StepFailed",
    "StepMismatch",
    "Unclear",
    "Webhook",
    "WebhookCall",
    "WebhookRequest",
    "Workflow",
    "WorkflowError",
    "charge_once",
    "check_runs",
    "workflow",
]
