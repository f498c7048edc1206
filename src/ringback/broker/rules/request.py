"""What a destination is sent: the broker's own headers, the message's, and a fresh signature (protocol 4.1)."""

from ringback.broker.ids import message_id
from ringback.broker.records import Delivery, Message
from ringback.clock import Instant
from ringback.wire.http import Outbound
from ringback.wire.signing import sign

_OWN = frozenset(
    {
        "upstash-message-id",
        "upstash-retried",
        "upstash-signature",
        "upstash-caller-ip",
        "upstash-topic-name",
        "upstash-schedule-id",
    }
)


def outbound(message: Message, delivery: Delivery, key: str, now: Instant, jti: str) -> Outbound:
    """Return the request of one attempt of a plain message.

    Args:
        message: what to send.
        delivery: which attempt this is.
        key: the current signing key of the tenant.
        now: the time, for the signature.
        jti: unique id of the signature.
    """
    headers = [line for line in message.headers if line[0].lower() not in _OWN]
    if not any(name == "User-Agent" for name, _ in headers):
        headers.append(("User-Agent", "Upstash-QStash"))
    headers += [
        ("Upstash-Message-Id", message_id(message.seq)),
        ("Upstash-Retried", str(delivery.retried)),
        ("Upstash-Caller-Ip", message.caller_ip),
        ("Upstash-Signature", sign(message.url, message.body, key, now_ms=now, jti=jti)),
    ]
    if message.group:
        headers.append(("Upstash-Topic-Name", message.group))
    if message.schedule:
        headers.append(("Upstash-Schedule-Id", message.schedule))
    return Outbound(message.method, message.url, headers, message.body, message.timeout_ms)
