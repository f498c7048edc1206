"""The signing keys of an account (protocol 2.12)."""

from ringback.broker.api.call import Answer, Call, json_response
from ringback.broker.operations.keys import keys_of, rotate_keys
from ringback.broker.records import SigningKeys
from ringback.errors import Refused
from ringback.wire.http import Response


def get(call: Call) -> Answer:
    """Show the current and the next signing key."""
    return call.desk.read(lambda tx: _shown(keys_of(tx, call.tenant)))


def rotate(call: Call) -> Answer:
    """Make the next signing key the current one, and a new next one."""
    if call.tenant.fixed_keys:
        raise Refused(400, "the signing keys of the public development accounts cannot be rotated")
    return call.desk.write(lambda tx, _: _shown(rotate_keys(tx, call.tenant)))


def _shown(keys: SigningKeys) -> Response:
    return json_response(200, {"current": keys.current, "next": keys.next})
