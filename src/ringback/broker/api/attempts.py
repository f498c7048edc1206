"""Every attempt to deliver a message: what was sent, and what came back (an extension of ours)."""

from ringback.broker.api.call import Answer, Call, json_response
from ringback.broker.api.checks import read_trim
from ringback.broker.api.shapes import Shape, text_or_base64
from ringback.broker.changes import RunList
from ringback.broker.ids import message_id, parse_message_id
from ringback.broker.operations.runs.append import load_delivery
from ringback.broker.records import Delivery, Event, Message, Run
from ringback.broker.rules.attempts import Attempt, attempts
from ringback.broker.rules.callbacks import grouped
from ringback.broker.rules.request import outbound
from ringback.broker.rules.run_request import run_outbound
from ringback.broker.stores.contract import Query, Transaction, Where
from ringback.errors import Refused
from ringback.wire.http import Outbound, Response
from ringback.wire.redaction import redacted_body, redacted_headers

_MOST_EVENTS = 500


def list_attempts(call: Call) -> Answer:
    """List every attempt to deliver a message, its request and its answer; `trimBody` and `trimResponseBody` cut bodies."""
    asked = call.names["message"]
    seq = parse_message_id(asked)
    trim, answer_trim = read_trim(call), read_trim(call, "trimResponseBody")

    def job(tx: Transaction) -> Response:
        message = tx.get(Message, seq) if seq is not None else None
        if seq is None or message is None or message.tenant != call.tenant.name:
            raise Refused(404, f"message {asked} not found")
        query = Query((Where("message", "=", seq),), order=("pos",), limit=_MOST_EVENTS + 1)
        events = tx.find(Event, query)
        made = attempts(events[:_MOST_EVENTS], pending=tx.get(Delivery, seq) is not None)
        run, delivered = load_delivery(tx, message)
        sent = _request(call, message, run, delivered)
        shape: Shape = {"messageId": message_id(seq), "url": message.url, "method": message.method}
        shape |= {"maxRetries": message.retries} | _body(message, sent.body, trim)
        if run is not None:
            shape["workflowRunId"] = run.run_id
        shape["attempts"] = [_attempt(one, _headers(message, sent, one), answer_trim) for one in made]
        return json_response(200, shape | ({"more": True} if len(events) > _MOST_EVENTS else {}))

    return call.desk.read(job)


def _request(call: Call, message: Message, run: Run | None, delivered: RunList | None) -> Outbound:
    """Return the request of an attempt, made once more by the rule that made it: of a request nothing is kept but its number."""
    delivery = Delivery(message.seq, message.tenant, message.not_before)
    if run is None:
        return outbound(message, delivery, "", delivery.due_at, "")
    return run_outbound(message, delivery, run, delivered, "", delivery.due_at, "", call.settings.limits)


def _body(message: Message, body: bytes, trim: int | None) -> Shape:
    hidden = redacted_body(body, message.redact)
    return {"body": hidden} if hidden is not None else {"bodyBytes": len(body)} | _cut("body", body, trim)


def _headers(message: Message, sent: Outbound, attempt: Attempt) -> Shape:
    """Return the headers of an attempt: only their number and their signature set its request apart from the others."""
    own = {"upstash-retried": str(attempt.retried), "upstash-signature": "REDACTED"}
    lines = redacted_headers(sent.headers, message.redact)
    return grouped(tuple((name, own.get(name.lower(), value)) for name, value in lines))


def _attempt(attempt: Attempt, headers: Shape, trim: int | None) -> Shape:
    shape: Shape = {"attempt": attempt.number, "retried": attempt.retried, "state": attempt.state}
    times = {"startedAt": attempt.began, "endedAt": attempt.ended}
    if attempt.began is not None and attempt.ended is not None:
        times["duration"] = attempt.ended - attempt.began
    shape |= {name: value for name, value in times.items() if value is not None}
    shape["headers"] = headers
    if attempt.status is not None:
        shape["responseStatus"] = attempt.status
    if attempt.headers:
        shape["responseHeaders"] = grouped(attempt.headers)
    shape |= _cut("responseBody", attempt.body, trim)
    if attempt.error is not None:
        shape["error"] = attempt.error
    return shape | ({"nextDeliveryTime": attempt.next_at} if attempt.next_at is not None else {})


def _cut(name: str, body: bytes, trim: int | None) -> Shape:
    """Return the beginning of a body; a character that the cut goes through is left out."""
    if trim == -1:
        return {}
    part = body[:trim]
    if len(part) < len(body):
        for lost in range(4):
            try:
                return text_or_base64(name, part[: len(part) - lost].decode().encode())
            except UnicodeDecodeError:
                continue
    return text_or_base64(name, part)
