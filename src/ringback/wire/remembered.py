"""Functions whose answers for short texts are remembered: the same few URLs and names come again and again."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Concatenate, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

SHORT = 1024
"""Most characters of a text that is remembered. Longer ones are rare, and thousands of them would fill the memory."""


def remembered(most: int) -> Callable[[Callable[Concatenate[str, P], T]], Callable[Concatenate[str, P], T]]:
    """Let a pure function of a text remember its answers for the short ones.

    Args:
        most: how many answers.
    """

    def decorate(function: Callable[Concatenate[str, P], T]) -> Callable[Concatenate[str, P], T]:
        known = lru_cache(maxsize=most)(function)

        @wraps(function)
        def ask(text: str, /, *more: P.args, **named: P.kwargs) -> T:
            return known(text, *more, **named) if len(text) <= SHORT else function(text, *more, **named)  # type: ignore[arg-type]

        ask.cache_info = known.cache_info  # type: ignore[attr-defined]
        return ask

    return decorate
