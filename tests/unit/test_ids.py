"""Identifiers grow, are unique, and can be read back."""

from hypothesis import given
from hypothesis import strategies as st

from ringback.broker.ids import (
    Ids,
    bulk_action_id,
    first_id_at,
    instant_of,
    message_id,
    parse_bulk_action_id,
    parse_message_id,
    parse_position,
    position,
)

AT = 1_790_000_000_000


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=50))
def test_numbers_grow_whatever_the_clock_does(steps: list[int]) -> None:
    now = AT
    ids = Ids(lambda: now)
    made = []
    for step in steps:
        now += step
        made += [ids.new(), ids.new()]
    assert made == sorted(set(made))


def test_a_number_is_never_made_twice_after_a_restart() -> None:
    before = Ids(lambda: AT)
    last = [before.new() for _ in range(10)][-1]
    after = Ids(lambda: AT - 60_000)
    after.go_past(last)
    assert after.new() > last


def test_a_full_counter_borrows_the_next_millisecond() -> None:
    ids = Ids(lambda: AT)
    made = [ids.new() for _ in range(40_000)]
    assert made == sorted(set(made))
    assert instant_of(made[-1]) == AT + 1


@given(st.integers(0, 2**63 - 1))
def test_text_forms_read_back(number: int) -> None:
    assert parse_message_id(message_id(number)) == number
    assert parse_bulk_action_id(bulk_action_id(number)) == number
    assert parse_position(position(number)) == number
    assert first_id_at(instant_of(number)) <= number


@given(st.text(max_size=30))
def test_any_text_is_read_or_is_none(text: str) -> None:
    parse_message_id(text)
    parse_position(text)


def test_no_text_is_a_number_that_no_store_can_be_asked_about() -> None:
    largest = 2**63 - 1
    assert parse_message_id("msg_ffffffffffffffff") is None
    assert parse_bulk_action_id("ba_ffffffffffffffff") is None
    assert first_id_at(10**15) == parse_position("999999999999999-99999999") == largest
