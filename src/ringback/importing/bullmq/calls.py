"""The broker's calls that an import makes beside the common ones."""

import json
from collections.abc import Sequence
from typing import Any

from ringback.client.calls import Call
from ringback.client.errors import BrokerMisunderstood
from ringback.client.management import Shape

_JSON = {"Content-Type": "application/json"}


def publish_all(items: Sequence[dict[str, Any]]) -> Call[list[str]]:
    """Publish items, all or none; they have deduplication ids, so that it may be said twice.

    Says the message ids; those of a URL group's endpoints joined by commas.
    """
    return Call("POST", "/v2/batch", _message_ids, (), _JSON, _dump(items))


def bury_all(items: Sequence[dict[str, Any]]) -> Call[list[str]]:
    """Put items among the dead letters, all or none (an extension of ringback's broker); says the message ids."""
    return Call("POST", "/v2/dlq", _message_ids, (), _JSON, _dump(items))


def _dump(items: Sequence[dict[str, Any]]) -> bytes:
    return json.dumps(list(items), ensure_ascii=False, separators=(",", ":")).encode()


def _message_ids(answer: bytes) -> list[str]:
    try:
        found = json.loads(answer)
        return [",".join(_ids(one)) for one in found]
    except (ValueError, TypeError, KeyError):
        raise BrokerMisunderstood("the broker's answer should be a list with a messageId for each item") from None


def _ids(answer: Shape | list[Shape]) -> list[str]:
    return [str(one["messageId"]) for one in (answer if isinstance(answer, list) else [answer])]
