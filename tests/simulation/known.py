"""What the users know: what they were promised, and what they have asked for."""

from dataclasses import dataclass, field


@dataclass
class Once:
    """A message that was published under a deduplication id, from asking to answer, in seconds of the loop."""

    seq: int
    asked: float
    answered: float


@dataclass
class Known:
    """What an outsider knows.

    Attributes:
        acknowledged: numbers of accepted messages.
        canceled: those a cancel was asked for.
        canceled_labels: what was asked to be canceled as a whole.
        runs_are_canceled: runs with the label were to be canceled.
        runs_canceled: ids of runs of which a message was asked to be canceled.
        deleted_queues: until when each was being deleted, in milliseconds since the epoch; infinite where nobody knows.
        runs: ids of runs whose start was acknowledged.
        batches: which bodies were published together, by each of them.
        refused: bodies of batches that were refused for what was in them.
        schedules: ids that were acknowledged and nobody has asked to delete.
        no_schedules: ids of those that are deleted, as far as the users were told.
        letters_again, runs_again, letters_deleted: places of dead letters that were to be sent again, whose runs were to go on,
            or that were to be deleted; and labels, where all with one were.
        labelled: ids of runs with the label.
        given_up: ids of runs to which their endpoint has said that trying again is useless.
        functions_again, functions_given_up: numbers of runs whose failure function was to be called again, or given up.
        without_function: messages that were to call a failure function where there is none, by what they were told.
        useless: messages that were to call a failure function and were told that trying again is useless.
        once: what was acknowledged as new, by deduplication id.
    """

    acknowledged: list[int] = field(default_factory=list)
    canceled: set[int] = field(default_factory=set)
    canceled_labels: set[str] = field(default_factory=set)
    runs_are_canceled: bool = False
    runs_canceled: set[str] = field(default_factory=set)
    deleted_queues: dict[str, float] = field(default_factory=dict)
    runs: list[str] = field(default_factory=list)
    batches: dict[bytes, frozenset[bytes]] = field(default_factory=dict)
    refused: set[bytes] = field(default_factory=set)
    schedules: set[str] = field(default_factory=set)
    no_schedules: set[str] = field(default_factory=set)
    letters_again: set[int | str] = field(default_factory=set)
    runs_again: set[int | str] = field(default_factory=set)
    letters_deleted: set[int | str] = field(default_factory=set)
    labelled: set[str] = field(default_factory=set)
    given_up: set[str] = field(default_factory=set)
    functions_again: set[int] = field(default_factory=set)
    functions_given_up: set[int] = field(default_factory=set)
    without_function: set[int] = field(default_factory=set)
    useless: set[int] = field(default_factory=set)
    once: dict[str, list[Once]] = field(default_factory=dict)
