"""Whatever comes in from outside is read or refused in the documented way: a short walk, the same each time.

`make fuzz` walks further, guided by what of the code has been reached.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.targets import TARGETS, Target

EXAMPLES = 60
ALL = [pytest.param(target, id=name) for name, target in TARGETS.items()]


def altered(seeds: tuple[bytes, ...]) -> st.SearchStrategy[bytes]:
    """Return what begins and ends like something that usually comes, with anything in between."""
    seed = st.sampled_from([one for one in seeds if len(one) < 1000])
    places = st.floats(0, 1)
    pieces = st.binary(max_size=12) | st.sampled_from(
        [b"\x00", b"\xff", b'"', b"[", b"{", b",", b"-1", b"9" * 30, b"\n\n", b"="]
    )

    def joined(one: bytes, other: bytes, begin: float, end: float, between: bytes) -> bytes:
        return one[: int(begin * len(one))] + between + other[int(end * len(other)) :]

    return st.builds(joined, seed, seed, places, places, pieces)


@pytest.mark.parametrize("target", ALL)
def test_what_usually_comes_and_what_is_nested_too_deep(target: Target) -> None:
    for seed in target.seeds:
        target.run(seed)


@pytest.mark.parametrize("target", ALL)
def test_anything_else(target: Target) -> None:
    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None)
    @given(altered(target.seeds) | st.binary(max_size=80))
    def walk(data: bytes) -> None:
        target.run(data)

    walk()
