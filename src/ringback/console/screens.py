"""What a page and a deed of the console are: values, and functions that ask the broker."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ringback.clock import Instant
from ringback.console.door import Ask
from ringback.console.session import Session

ROOT = "/console"
Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of somebody who is logged in.

    Attributes:
        ask: the way to the broker.
        session: who it is.
        path: variable parts of the address.
        given: query parameters, or fields of the form; those left empty are not among them.
        now: the time.
        broker: its address.
    """

    ask: Ask
    session: Session
    path: Mapping[str, str]
    given: Mapping[str, tuple[str, ...]]
    now: Instant
    broker: str

    def one(self, name: str, default: str = "") -> str:
        """Return the first value that was given under a name."""
        return self.given.get(name, (default,))[0]

    def number(self, name: str) -> int | None:
        """Return a whole number that was given, None if there is none.

        Raises:
            ValueError: it is something else.
        """
        text = self.one(name)
        if not text:
            return None
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise ValueError(f"{name}: expected a whole number, found {text[:40]!r}")
        return int(text)


@dataclass(frozen=True, slots=True)
class Screen:
    """One page.

    Attributes:
        path: below `/console`.
        template: file below `templates`.
        load: asks the broker for what the page shows.
        title: heading, and name in the navigation.
        group: heading in the navigation it stands under; none for pages that are reached from others.
        live: whether the page renews itself.
        answer: what a form on the page asks for with POST, shown on the same page.
    """

    path: str
    template: str
    load: Callable[[Visit], Awaitable[Values]]
    title: str
    group: str = ""
    live: bool = False
    answer: Callable[[Visit], Awaitable[Values]] | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """What a deed did: a sentence, and where to go on.

    Attributes:
        text: what was done, for a person.
        to: address to go to.
    """

    text: str
    to: str


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that changes the broker.

    Attributes:
        path: below `/console`; asked with POST.
        do: does it.
    """

    path: str
    do: Callable[[Visit], Awaitable[Done]]


@dataclass(frozen=True, slots=True)
class Section:
    """The screens and deeds about one subject."""

    screens: tuple[Screen, ...] = ()
    deeds: tuple[Deed, ...] = field(default=())
