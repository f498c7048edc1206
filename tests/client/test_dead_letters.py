"""The calls that bring failed runs back."""

import pytest

from ringback.client import RunOptions, dead_letters
from ringback.client.dead_letters import restart, resume


@pytest.mark.parametrize("again", [resume, restart])
def test_retries_are_told_also_where_they_are_the_default(again: object) -> None:
    assert again("1-0", options=RunOptions(retries=3)).headers == {"Upstash-Retries": "3"}  # type: ignore[operator]
    assert again("1-0").headers == {}  # type: ignore[operator]
    assert dead_letters.resume("1-0", options=RunOptions(retries=0)).headers == {"Upstash-Retries": "0"}
