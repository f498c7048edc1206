"""Payloads and events may be what a workflow asks for: dataclasses, models, dates."""

import json
from dataclasses import dataclass
from datetime import date
from enum import Enum

import pytest
from pydantic import BaseModel

from ringback.client.events import notify
from ringback.client.runs import trigger


class Size(Enum):
    SMALL = "s"


@dataclass
class Order:
    number: int
    due: date
    size: Size


class Model(BaseModel):
    lines: list[Order]


ORDER = Order(7, date(2026, 1, 2), Size.SMALL)
WRITTEN = {"number": 7, "due": "2026-01-02", "size": "s"}


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (ORDER, WRITTEN),
        (Model(lines=[ORDER]), {"lines": [WRITTEN]}),
        ({"orders": (ORDER,)}, {"orders": [WRITTEN]}),
        (0, 0),
        ("text", "text"),
        (b"raw \xc3\xbc", "raw ü"),
    ],
)
def test_what_can_be_a_payload_can_be_sent(given: object, sent: object) -> None:
    (item,) = json.loads(trigger(url="https://shop.test/", body=given).body)
    told = notify("paid", given).body.decode()
    assert item["body"] == told
    assert (told if isinstance(sent, str) else json.loads(told)) == sent


def test_nothing_is_no_body() -> None:
    (item,) = json.loads(trigger(url="https://shop.test/").body)
    assert "body" not in item
    assert notify("paid").body == b""


@pytest.mark.parametrize("given", [object(), {"a": {1.5: 2}}, float("nan"), b"\xff"])
def test_what_cannot_be_sent_is_refused_by_name(given: object) -> None:
    with pytest.raises(ValueError, match=r"^body cannot be sent: "):
        trigger(url="https://shop.test/", body=given)
    with pytest.raises(ValueError, match=r"^the data of the event cannot be sent: "):
        notify("paid", given)
