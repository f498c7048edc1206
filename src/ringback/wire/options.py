"""What a publisher may ask for with one message, as values."""

from typing import Any

from msgspec import Struct
from msgspec.structs import replace


class FlowControl(Struct, frozen=True, omit_defaults=True):
    """A flow-control key with the limits one message brings for it.

    Attributes:
        key: free-form name shared by all messages under the same limits.
        parallelism: most attempts in flight, None for no such limit.
        rate: most attempts started in one period, None for no such limit.
        period: length of a period in seconds.
    """

    key: str
    parallelism: int | None = None
    rate: int | None = None
    period: int = 1


class Redaction(Struct, frozen=True, omit_defaults=True):
    """What is not to be shown: the body, all headers, or some of them (names in lower case)."""

    body: bool = False
    headers: bool = False
    names: tuple[str, ...] = ()


class Workflow(Struct, frozen=True, omit_defaults=True):
    """The workflow headers of a message, as sent (`Upstash-Workflow-*` and the feature set).

    Attributes:
        init: True to create a run, False for a message that belongs to one.
        run_id: `Upstash-Workflow-RunId`.
        url: `Upstash-Workflow-Url`, where the deliveries of the run go.
        created_at: `Upstash-Workflow-CreatedAt` in milliseconds, if sent.
        sdk_version: `Upstash-Workflow-Sdk-Version` un-forwarded, if sent.
        call_type: `step`, `toCallback`, `fromCallback`, `failureCall` or `stepConfig`.
        invoke: True when the body is an invoke envelope.
        trigger_by_sdk: True in the second phase of a start by URL.
        features: values of `Upstash-Feature-Set`.
    """

    init: bool = False
    run_id: str = ""
    url: str = ""
    created_at: int | None = None
    sdk_version: str = ""
    call_type: str = "step"
    invoke: bool = False
    trigger_by_sdk: bool = False
    features: tuple[str, ...] = ()


class Options(Struct, frozen=True, omit_defaults=True):
    """Everything the headers of one message ask for; None means: not asked for.

    Attributes:
        method: upper-case method of the delivery.
        headers: what the destination gets: forwarded headers and Content-Type, canonical names.
        delay_ms: wait before the first attempt.
        not_before: instant in milliseconds before which no attempt is made; wins over `delay_ms`.
        retries: attempts after the first one.
        retry_delay: expression for the wait before a retry, in milliseconds.
        timeout_ms: longest time one attempt may take.
        callback, failure_callback: where outcomes are reported, with options of their own.
        deduplication_id: publishes with the same id within the window are one message.
        content_based_deduplication: derive that id from destination, body and headers.
        flow_control: limits the message is under.
        labels: names to find it by.
        redact: what is not shown of it.
        cron, schedule_id, queue_name: for schedules only.
        workflow: set when the message belongs to a workflow run.
    """

    method: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    delay_ms: int | None = None
    not_before: int | None = None
    retries: int | None = None
    retry_delay: str | None = None
    timeout_ms: int | None = None
    callback: "Callback | None" = None
    failure_callback: "Callback | None" = None
    deduplication_id: str | None = None
    content_based_deduplication: bool = False
    flow_control: FlowControl | None = None
    labels: tuple[str, ...] = ()
    redact: Redaction | None = None
    cron: str | None = None
    schedule_id: str | None = None
    queue_name: str | None = None
    workflow: Workflow | None = None


class Callback(Struct, frozen=True, omit_defaults=True):
    """Where an outcome is reported, and how that report is to be delivered."""

    url: str
    options: Options = Options()


def merged(strong: Options, weak: Options) -> Options:
    """Return options in which `weak` fills what `strong` does not say; forwarded headers are merged name by name."""
    said = {name for name, _ in strong.headers}
    changes: dict[str, Any] = {}
    for field in Options.__struct_fields__:
        if not getattr(strong, field) and getattr(strong, field) != 0:
            changes[field] = getattr(weak, field)
    changes["headers"] = (*strong.headers, *(line for line in weak.headers if line[0] not in said))
    return replace(strong, **changes)
