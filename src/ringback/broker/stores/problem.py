"""What can be wrong with a store, in words, with what helps."""

from typing import NamedTuple


class Problem(NamedTuple):
    """Something that is wrong.

    Attributes:
        text: what.
        remedy: what to do about it.
    """

    text: str
    remedy: str
