"""The table of limits is complete, documented, and every value can be set differently."""

from dataclasses import fields
from pathlib import Path

import pytest

from ringback.simulate import Platform, PlatformUnknown, platform
from ringback.simulate.limits import LIMITS
from ringback.simulate.limits_page import page
from ringback.simulate.placement import place
from ringback.simulate.platforms import NAMES

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "platform-limits.md"


def test_the_reference_page_is_made_from_the_table() -> None:
    assert PAGE.read_text() == page(), "write it anew: python -m ringback.simulate.limits_page > " + PAGE.name


def test_every_limit_has_a_value_and_a_source_for_every_platform() -> None:
    assert {one.name for one in LIMITS} == {one.name for one in fields(Platform)} - {"name", "ends_with", "front"}
    assert all(set(one.values) == set(NAMES) and value.source for one in LIMITS for value in one.values.values())


def test_a_limit_can_be_set_differently() -> None:
    assert platform("vercel", duration_s=2).duration_s == 2
    with pytest.raises(PlatformUnknown, match="vercel has no limit speed; it has duration_s"):
        platform("vercel", speed=3)
    with pytest.raises(PlatformUnknown, match="there are vercel, lambda, cloudrun"):
        platform("heroku")


class One:
    def __init__(self, requests: int, retired: bool = False) -> None:
        self.in_flight, self.retired = ["request"] * requests, retired


def test_a_request_goes_to_the_fullest_instance_with_room() -> None:
    rules = platform("vercel", concurrency=3)
    instances = [One(1), One(3), One(2), One(2, retired=True)]
    assert place(instances, rules) is instances[2]
    assert place([One(3), One(0, retired=True)], rules) is None
