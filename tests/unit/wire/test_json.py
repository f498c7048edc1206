"""JSON is read as the standard library reads it, whatever reads it."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.wire import steps
from ringback.wire.steps import load

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
ODD = (
    *("", " ", "1 2", "[1,]", "{'a': 1}", "NaN", "-Infinity", "1e400", "-0", "-0.0", "01", "1.", "tru", "1e-400"),
    *(
        '"\t"',
        '"\\x"',
        '"\\ud800"',
        '"\ud800"',
        '{"a": 1, "a": 2}',
        "\ufeff1",
        " [1] ",
        "123456789012345678901234567890",
    ),
    *("1" * 5000, "[" * 100_000),
)


def answer(read: Callable[[str], Any], text: str) -> str:
    try:
        return repr(read(text))
    except (ValueError, RecursionError) as error:
        return "RecursionError" if isinstance(error, RecursionError) else "ValueError"


@given(VALUES, st.booleans(), st.integers(0, 60), st.text(max_size=1))
def test_what_is_read_is_what_the_standard_library_reads(value: Any, ascii_only: bool, at: int, put_in: str) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    for one in (text, text[:at] + put_in + text[at:], text[:at] + text[at + 1 :]):
        assert answer(load, one) == answer(json.loads, one)


@pytest.mark.parametrize("decode", [steps._decode, steps._plainly], ids=["msgspec", "without it"])
@pytest.mark.parametrize("text", ODD, ids=lambda text: ascii(text[:20]))
def test_odd_texts_are_read_the_same(text: str, decode: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "_decode", decode)
    assert answer(load, text) == answer(json.loads, text)
