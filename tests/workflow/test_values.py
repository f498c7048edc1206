"""Values travel as JSON and come back as their annotation promises."""

import asyncio
import dataclasses
import functools
import gc
import sys
import typing
import weakref
from collections.abc import Awaitable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, NamedTuple, TypedDict
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from ringback.workflow import Context, NotSerializable
from ringback.workflow.payload import payload_type
from ringback.workflow.promises import promised
from ringback.workflow.values import decode, encode


class Color(Enum):
    RED = "r"
    BLUE = "b"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Point(NamedTuple):
    x: int
    y: float = 0.0


class Options(TypedDict, total=False):
    size: int
    color: Color


@dataclasses.dataclass(frozen=True)
class Node:
    name: str
    at: datetime | None = None
    children: "tuple[Node, ...]" = ()
    seen: int = dataclasses.field(default=0, init=False, compare=False)


class Model(BaseModel):
    day: date
    node: dict[str, int] = {}


moments = st.datetimes(timezones=st.just(UTC))
nodes = st.recursive(
    st.builds(Node, st.text(), st.none() | moments),
    lambda inner: st.builds(Node, st.text(), st.none() | moments, st.lists(inner, max_size=3).map(tuple)),
    max_leaves=6,
)
finite = st.floats(allow_nan=False, allow_infinity=False)

EXAMPLES: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (int, st.integers()),
    (float, finite),
    (str, st.text()),
    (bool, st.booleans()),
    (None, st.none()),
    (bytes, st.binary()),
    (datetime, moments),
    (date, st.dates()),
    (time, st.times()),
    (timedelta, st.timedeltas(timedelta(0), timedelta(days=300)).map(lambda t: timedelta(seconds=round(t.seconds)))),
    (Decimal, st.decimals(allow_nan=False, allow_infinity=False)),
    (UUID, st.uuids()),
    (Color, st.sampled_from(Color)),
    (Level, st.sampled_from(Level)),
    (Point, st.builds(Point, st.integers(), finite)),
    (Options, st.fixed_dictionaries({}, optional={"size": st.integers(), "color": st.sampled_from(Color)})),
    (Node, nodes),
    (Model, st.builds(Model, day=st.dates(), node=st.dictionaries(st.text(), st.integers()))),
    (PurePosixPath, st.sampled_from([PurePosixPath("/a/b"), PurePosixPath("c")])),
    (list[Color], st.lists(st.sampled_from(Color))),
    (Sequence[int], st.lists(st.integers())),
    (tuple[int, str], st.tuples(st.integers(), st.text())),
    (tuple[bytes, ...], st.lists(st.binary()).map(tuple)),
    (set[int], st.sets(st.integers())),
    (frozenset[str], st.frozensets(st.text())),
    (dict[int, bytes], st.dictionaries(st.integers(), st.binary())),
    (Mapping[Color, date], st.dictionaries(st.sampled_from(Color), st.dates())),
    (dict[UUID, bool], st.dictionaries(st.uuids(), st.booleans())),
    (int | None, st.none() | st.integers()),
    (datetime | Color | int, moments | st.sampled_from(Color) | st.integers()),
    (list[Node | None], st.lists(st.none() | nodes, max_size=3)),
    (Literal["a", 1, Color.RED], st.sampled_from(["a", 1])),
    (Annotated[int, "a note"], st.integers()),
    (typing.Optional[Point], st.none() | st.builds(Point, st.integers(), finite)),  # noqa: UP045 - the old spelling
    (Any, st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x, max_size=3))),
]


@pytest.mark.parametrize(("annotation", "values"), EXAMPLES, ids=[str(pair[0]) for pair in EXAMPLES])
def test_an_annotated_value_comes_back_equal_and_of_its_type(annotation: Any, values: st.SearchStrategy[Any]) -> None:
    @settings(max_examples=25, deadline=None)
    @given(values)
    def comes_back(value: Any) -> None:
        back = decode(encode(value, annotation, "it"), annotation, "it")
        assert back == value
        assert type(back) is type(value)

    comes_back()


@pytest.mark.parametrize(
    ("value", "annotation", "reason"),
    [
        (b"x", Any, r"a bytes would come back as something else.*-> bytes"),
        (Color.RED, Any, r"-> Color"),
        (Node("n"), Any, r"-> Node"),
        ({1: 2}, Any, r"the key 1 would come back as text.*dict\[int"),
        ({(1, 2): 3}, dict[Any, int], "keys of a mapping must be text, not tuple"),
        (object(), object, "object"),
        (object(), Node, "no way to write a object"),
        (float("inf"), float, "not JSON compliant"),
        ("text", int, "expected int, got str"),
        (True, int, "expected int, got bool"),
        ([1, "a"], list[int], "expected int, got str"),
        ({"z": 2}, Point, "missing .* argument: 'x'"),
        ({"x": "1"}, Point, "x: expected int"),
        ("green", Color, "'green' is not a valid Color"),
        ("c", Literal["a", "b"], "expected one of 'a', 'b'"),
        ([1], tuple[int, int], "argument 2 is longer|shorter"),
    ],
)
def test_a_value_that_would_not_come_back_is_refused_at_once(value: Any, annotation: Any, reason: str) -> None:
    with pytest.raises(NotSerializable, match=reason):
        encode(value, annotation, "it")


def test_a_field_that_is_gone_from_the_code_is_left_out() -> None:
    assert decode('{"x": 1, "gone": 2}', Point, "it") == Point(1)
    assert decode('{"name": "n", "gone": 2}', Node, "it") == Node("n")
    assert decode('{"size": 1, "gone": 2}', Options, "it") == {"size": 1}
    assert decode('{"name": "n", "gone": 2}', Node | dict[str, Any], "it") == {"name": "n", "gone": 2}


@given(st.text(max_size=40))
def test_no_recorded_text_makes_reading_fail_in_any_other_way(text: str) -> None:
    for annotation in (Node, Model, Color, datetime, bytes, dict[int, Point], int | None):
        try:
            decode(text, annotation, "it")
        except NotSerializable:
            continue


def plain(a: int) -> Node:
    return Node(str(a))


async def asynchronous() -> bytes:
    return b""


def later() -> Awaitable[Color]:
    return asyncio.sleep(0, Color.RED)


class Callee:
    def __call__(self) -> Point:
        return Point(1)


@functools.cache
def cached() -> Node:
    return Node("a")


@dataclasses.dataclass
class Configured:
    rate: float

    def __call__(self) -> Point:
        return Point(1, self.rate)


def unannotated(a):  # type: ignore[no-untyped-def]
    return a


def partly_for_checkers(order: "Missing", count: int) -> "list[Node]":  # type: ignore[name-defined]  # noqa: F821
    return [Node(order.name)]


def only_for_checkers() -> "Missing":  # type: ignore[name-defined]  # noqa: F821 - a name that does not exist at run time
    return 1


@pytest.mark.parametrize(
    ("function", "annotation"),
    [
        (plain, Node),
        (asynchronous, bytes),
        (later, Color),
        (functools.partial(plain, 1), Node),
        (Callee(), Point),
        (Configured(1.5), Point),
        (cached, Node),
        (Callee().__call__, Point),
        (Point, Point),
        (lambda: 1, Any),
        (unannotated, Any),
        (partly_for_checkers, list[Node]),
        (only_for_checkers, Any),
        (len, Any),
    ],
)
def test_the_promised_type_is_found_on_every_kind_of_function(function: Any, annotation: Any) -> None:
    assert promised(function) == annotation


@pytest.mark.skipif(sys.version_info < (3, 14), reason="annotations are evaluated where the function is defined")
def test_an_annotation_that_only_type_checkers_can_read_leaves_the_others() -> None:
    def step(order: Missing) -> Missing: ...  # type: ignore[name-defined]  # noqa: F821 - as imported under TYPE_CHECKING
    def found(order: Missing) -> Node: ...  # type: ignore[name-defined]  # noqa: F821
    def workflow(context: Context[Node]) -> Missing: ...  # type: ignore[name-defined]  # noqa: F821

    assert promised(step) is Any
    assert promised(functools.cache(step)) is Any
    assert promised(found) is promised(functools.cache(found)) is Node
    assert payload_type(workflow) is Node


def test_a_payload_is_read_as_annotated_whatever_else_only_type_checkers_know() -> None:
    async def workflow(context: Context[Node]) -> "Missing": ...  # type: ignore[name-defined]  # noqa: F821

    assert payload_type(workflow) is Node


def with_an_odd_payload(context: "Context[Missing]") -> None:  # type: ignore[name-defined]  # noqa: F821
    return None


def with_an_odd_context(context: "BlockingContext[Node]") -> Node:  # type: ignore[name-defined]  # noqa: F821
    payload: Node = context.request_payload
    return payload


def test_the_type_of_a_payload_is_read_where_the_context_is_imported_for_type_checkers_only() -> None:
    assert "BlockingContext" not in globals()
    assert payload_type(with_an_odd_context) is Node


def test_a_payload_whose_type_cannot_be_read_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    payload_type.cache_clear()
    assert [payload_type(with_an_odd_payload) for _ in range(2)] == [Any, Any]
    [record] = caplog.records
    assert "payload of with_an_odd_payload stays plain JSON" in record.getMessage()
    assert "'Missing' is not defined" in record.getMessage()


def test_a_function_made_for_one_delivery_is_not_kept_for_its_annotation() -> None:
    def step() -> "dict[str, int] | None": ...

    assert promised(step) == promised(step) == dict[str, int] | None
    gone = weakref.ref(step)
    del step
    gc.collect()
    assert gone() is None
