"""An endpoint that hands what it gets to a receiver of tasks."""

from ringback.shims.receiving import Receiver
from ringback.wire.http import Request
from support.endpoint import Answer, Received


def received_by(receiver: Receiver, came: Received) -> Answer:
    """Return the receiver's answer to a request."""
    request = Request(came.method, came.path, list(came.headers.items()), came.body)
    response = receiver.receive(request)
    return Answer(response.status, response.body, dict(response.headers))
