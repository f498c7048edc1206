"""Lists of runs at hand: they are as long as what was delivered, and give way to newer ones."""

from ringback.broker.changes import Applied, Changes, Handed
from ringback.broker.operations.run_lists import RunLists, size
from ringback.broker.records import Delivery, Entry, Message, Run
from ringback.broker.rules.run_list import EMPTY, listed, longer
from ringback.wire.options import Options


def entry(number: int) -> Entry:
    return Entry(1, f"r{number}", number, "step", b'{"stepId":%d}' % number, place=number)


def delivered(seq: int, upto: int, *, confirmed: bool = True) -> Changes:
    run = Run(seq, "t", f"wfr_{seq}", "https://app.example/run", 0, Options(), confirmed=confirmed)
    message = Message(seq, "t", run.url, "POST", (), b"", 0, 0, 3, 1000)
    entries = [entry(number) for number in range(upto)]
    return Changes(handed=[Handed(message, Delivery(seq, "t", 0), run, listed(entries))])


def test_a_list_that_grew_entry_by_entry_reads_like_one_that_was_written_whole() -> None:
    grown = EMPTY
    for number in range(3):
        grown = longer(grown, entry(number))
        assert grown == listed([entry(one) for one in range(number + 1)])


def test_the_newest_list_of_a_run_is_kept() -> None:
    lists = RunLists()
    lists.see(Applied([delivered(7, 1), delivered(7, 2)]))
    found = lists.get(7)
    assert found is not None
    assert found.length == 2
    assert lists.get(8) is None


def test_the_list_of_a_run_whose_first_entry_may_be_sent_anew_is_not_kept() -> None:
    lists = RunLists()
    lists.see(Applied([delivered(7, 1, confirmed=False)]))
    assert lists.get(7) is None


def test_lists_that_were_not_used_for_longest_give_way() -> None:
    lists = RunLists(most_bytes=2 * size(listed([entry(0)])))
    lists.see(Applied([delivered(1, 1), delivered(2, 1), delivered(1, 1), delivered(3, 1)]))
    assert [lists.get(seq) is not None for seq in (1, 2, 3)] == [True, False, True]


def test_a_list_above_the_largest_is_not_kept_nor_what_was_known_of_it() -> None:
    lists = RunLists(largest=len(listed([entry(0)]).json))
    lists.see(Applied([delivered(1, 1)]))
    assert lists.get(1) is not None
    lists.see(Applied([delivered(1, 2)]))
    assert lists.get(1) is None
