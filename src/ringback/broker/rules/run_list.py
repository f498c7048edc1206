"""The list of a run as its endpoint gets it: JSON that grows entry by entry, so that none is encoded for every delivery anew.

Source: workflow protocol 1.7.
"""

import base64
from collections.abc import Sequence

import msgspec

from ringback.broker.changes import RunList
from ringback.broker.ids import message_id
from ringback.broker.records import Entry

EMPTY = RunList(0, b"[]")


def listed(entries: Sequence[Entry]) -> RunList:
    """Return a list of entries, written as JavaScript would write it."""
    return RunList(len(entries), b"[%b]" % b",".join(map(_item, entries)))


def longer(known: RunList, entry: Entry) -> RunList:
    """Return a list with one more entry."""
    comma = b"," if known.length else b""
    return RunList(known.length + 1, b"%b%b%b]" % (known.json[:-1], comma, _item(entry)))


def _item(entry: Entry) -> bytes:
    return msgspec.json.encode(
        {
            "messageId": message_id(entry.message),
            "body": base64.b64encode(entry.body).decode(),
            "callType": entry.call_type,
        }
    )
