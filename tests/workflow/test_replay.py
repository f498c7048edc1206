"""Replay: in whatever order deliveries come, each step takes effect once and the run ends once."""

import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringback.wire.steps import Entry, Step, dump, step_json
from ringback.workflow.errors import StepMismatch
from ringback.workflow.journal import Journal, cut_after, read_journal
from ringback.workflow.replay import Discard, Execute, Plan, Replayed, Skipped, Wish, replay

groups_of = st.lists(st.integers(1, 4), min_size=1, max_size=4)


def wishes_of(group: int, size: int) -> list[Wish]:
    return [Wish(f"{group}.{member}", "Run") for member in range(size)]


@dataclass
class Server:
    """Appends entries, keeping the first of each, and makes one delivery for each."""

    entries: list[Entry] = field(default_factory=lambda: [Entry("m0", b"{}")])
    due: list[int] = field(default_factory=lambda: [1])
    seen: set[tuple[bool, int]] = field(default_factory=set)
    executed: list[str] = field(default_factory=list)
    ended: int = 0

    def append(self, step: Step) -> None:
        key = (step.is_plan, step.place)
        if key not in self.seen:
            self.seen.add(key)
            self.entries.append(Entry(f"m{len(self.entries)}", dump(step_json(step)).encode()))
            self.due.append(len(self.entries))


def deliver(server: Server, upto: int, groups: list[int]) -> None:
    """Do what an endpoint does with the entries up to one of them."""
    journal = read_journal(server.entries[:upto])
    number = 1
    for group, size in enumerate(groups):
        wishes = wishes_of(group, size)
        verdict = replay(journal, number, wishes)
        match verdict:
            case Replayed(results):
                assert [step.out for step in results] == [f'"{wish.name}"' for wish in wishes]
                number += size
            case Plan(first, concurrent):
                for index, wish in enumerate(wishes):
                    server.append(Step(0, wish.name, wish.type, None, concurrent, first + index))
                return
            case Execute(index, at, concurrent):
                name = wishes[index].name
                server.executed.append(name)
                server.append(Step(at, name, "Run", f'"{name}"', concurrent))
                return
            case _:
                assert isinstance(verdict, Discard)
                return
    server.ended += 1


@settings(max_examples=150, deadline=None)
@given(groups=groups_of, chance=st.randoms(use_true_random=False), repeat=st.floats(0, 0.5))
def test_each_step_takes_effect_once_and_the_run_ends_once(
    groups: list[int], chance: random.Random, repeat: float
) -> None:
    server = Server()
    repeated = 0
    while server.due:
        upto = server.due[chance.randrange(len(server.due))]
        deliver(server, upto, groups)
        if chance.random() < repeat and repeated < 20:
            repeated += 1  # the reply was lost: the same delivery comes again
        else:
            server.due.remove(upto)
    names = [wish.name for group, size in enumerate(groups) for wish in wishes_of(group, size)]
    results = [step for step in read_journal(server.entries).steps if not step.is_plan]
    assert sorted(step.name for step in results) == sorted(names)
    assert sorted(step.id for step in results) == list(range(1, len(names) + 1))
    assert set(server.executed) == set(names)
    assert server.ended >= 1
    if not repeated:
        assert server.ended == 1
        assert len(server.executed) == len(names)


@given(text=st.binary(max_size=60))
def test_an_entry_that_is_no_step_is_a_value_error(text: bytes) -> None:
    try:
        read_journal([Entry("m0", b""), Entry("m1", text)])
    except ValueError:
        return


def test_repeated_entries_are_kept_once_and_the_first_counts() -> None:
    first, second = (dump(step_json(Step(1, "a", "Run", out))).encode() for out in ("1", "2"))
    journal = read_journal([Entry("m0", b""), Entry("m1", first), Entry("m2", second)])
    assert journal.last_is_repeated
    assert [step.out for step in journal.steps] == ["1"]


def test_entries_of_calls_in_flight_say_nothing() -> None:
    done = dump(step_json(Step(1, "a", "Run", "1"))).encode()
    entries = [Entry("m0", b""), Entry("m1", b"raw", "toCallback"), Entry("m2", b"", "fromCallback"), Entry("m3", done)]
    assert [step.name for step in read_journal(entries).steps] == ["a"]


def test_fetched_state_is_cut_after_the_delivered_message() -> None:
    entries = [Entry("m0", b""), Entry("m1", b""), Entry("m2", b"")]
    assert cut_after(entries, "m1") == entries[:2]
    assert cut_after(entries[:1], "other") == entries[:1]
    with pytest.raises(ValueError, match="m9"):
        cut_after(entries, "m9")


A, B = Wish("a", "Run"), Wish("b", "Run")


def history(*steps: Step) -> Journal:
    return Journal(b"", steps)


@pytest.mark.parametrize(
    ("journal", "wishes", "reason"),
    [
        (history(Step(1, "b", "Run", "1")), [A], "Incompatible step name.*'b'.*'a'"),
        (history(Step(1, "a", "Call", "1")), [A], "Incompatible step name.*Call.*Run"),
        (history(Step(1, "a", "Run", "1", 2)), [A], "number of parallel steps.*one of 2.*starts 1"),
        (history(Step(0, "a", "Run", None, 3, 1)), [A, B], "number of parallel steps.*one of 3.*starts 2"),
        (history(Step(0, "a", "Run", None, 2, 1), Step(0, "c", "Run", None, 2, 2)), [A, B], "'c'.*'b'"),
    ],
)
def test_a_history_of_other_steps_is_named_with_what_to_do(journal: Journal, wishes: list[Wish], reason: str) -> None:
    with pytest.raises(StepMismatch, match=f"(?s){reason}.*patched"):
        replay(journal, 1, wishes)


MARKER = Wish("patched: x", "Run", is_marker=True)


def test_a_marker_is_set_where_the_history_ends() -> None:
    assert replay(history(), 1, [MARKER]) == Execute(0, 1, 1)


def test_a_marker_in_the_history_is_found_again() -> None:
    step = Step(1, "patched: x", "Run", "true")
    assert replay(history(step), 1, [MARKER]) == Replayed((step,))


@pytest.mark.parametrize("there", [Step(1, "a", "Run", "1"), Step(0, "a", "Run", None, 2, 1)])
def test_a_history_without_the_marker_takes_the_old_path(there: Step) -> None:
    assert replay(history(there), 1, [MARKER]) == Skipped()
