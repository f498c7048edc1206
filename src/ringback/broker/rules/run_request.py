"""What the endpoint of a workflow is sent: the list up to the delivered entry, and the headers that say what it is.

Source: workflow protocol 1.7, 1.13, 5.2 and 5.4.
"""

from ringback.broker.changes import RunList
from ringback.broker.ids import message_id
from ringback.broker.records import Delivery, HeaderLines, Message, Run
from ringback.broker.settings import Limits
from ringback.clock import Instant
from ringback.wire.http import Outbound
from ringback.wire.signing import sign

_PER_DELIVERY = (
    "upstash-workflow-runid",
    "upstash-workflow-createdat",
    "upstash-workflow-url",
    "upstash-workflow-init",
    "upstash-workflow-calltype",
)
_VERSION = ("Upstash-Workflow-Sdk-Version", "1")
_UNKNOWN_SDK = "Upstash-Workflow-Unknown-Sdk"
_CALL_TYPES = {"step": "step", "call_result": "fromCallback", "failure": "failureCall"}


def run_outbound(
    message: Message,
    delivery: Delivery,
    run: Run,
    delivered: RunList | None,
    key: str,
    now: Instant,
    jti: str,
    limits: Limits,
) -> Outbound:
    """Return the request of one attempt of a step, callback or failure delivery.

    Args:
        message: what is delivered.
        delivery: which attempt this is.
        run: the run it belongs to.
        delivered: for a step delivery, the list up to and including its own entry; else nothing.
        key: the current signing key of the tenant.
        now: the time, for the signature.
        jti: unique id of the signature.
        limits: from which size on the endpoint has to fetch the list itself.
    """
    body = message.body if delivered is None else delivered.json
    if delivered is not None and len(body) > limits.lazy_bytes and _can_fetch(run):
        body = b""
    headers = [*_merged(message, run), *_own(message, delivery, run)]
    headers.append(("Upstash-Signature", sign(message.url, body, key, now_ms=now, jti=jti)))
    return Outbound(message.method, message.url, headers, body, message.timeout_ms)


def _can_fetch(run: Run) -> bool:
    """The official Python SDK says it can and cannot; the other feature tells it from those that can (1.13)."""
    return "LazyFetch" in run.features and "WF_TriggerOnConfig" in run.features


def _merged(message: Message, run: Run) -> HeaderLines:
    """The run's user headers win over those of the message; what belongs to one delivery only is not repeated."""
    lines = {
        name: value
        for name, value in message.headers
        if name.lower() not in _PER_DELIVERY and name not in (_UNKNOWN_SDK, _VERSION[0])
    }
    lines |= dict(run.headers)
    lines["Content-Type"] = "application/json"
    lines.setdefault("User-Agent", "Upstash-QStash")
    return tuple(lines.items())


def _own(message: Message, delivery: Delivery, run: Run) -> list[tuple[str, str]]:
    headers = [
        ("Upstash-Message-Id", message_id(message.seq)),
        ("Upstash-Retried", str(delivery.retried)),
        ("Upstash-Caller-Ip", message.caller_ip),
        ("Upstash-Workflow-RunId", run.run_id),
        ("Upstash-Workflow-CreatedAt", str(run.created_at)),
        ("Upstash-Workflow-Url", run.url),
        ("Upstash-Workflow-Init", "false"),
        ("Upstash-Workflow-CallType", _CALL_TYPES.get(message.kind, "step")),
    ]
    if run.options.labels:
        headers.append(("Upstash-Label", ",".join(run.options.labels)))
    if message.kind == "step":
        if run.confirmed:
            headers += [_VERSION, ("Ringback-Accept-Result", "1")]
        else:
            headers.append((_UNKNOWN_SDK, "true"))
    return headers
