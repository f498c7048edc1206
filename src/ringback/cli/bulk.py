"""Commands about many dead letters: those that are named, those that fit the options, or all."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import click

from ringback import clock
from ringback.cli.filters import filtered
from ringback.cli.remote import Remote
from ringback.client import bulk
from ringback.client.management import Filter


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which dead letters a command is about: these, or all that fit a filter."""

    ids: tuple[str, ...]
    which: Filter


def choosing(*filters: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command dead letters to name, options that choose them, and --all; it gets them as `chosen`."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @click.argument("ids", metavar="[DEAD_LETTER]...", nargs=-1)
        @click.option("--all", "everything", is_flag=True, help="All there are, where no other option chooses.")
        @filtered(*filters)
        @wraps(command)
        def with_chosen(*args: Any, ids: tuple[str, ...], everything: bool, which: Filter, **kwargs: Any) -> None:
            if ids and (which or everything):
                raise click.UsageError("name dead letters, or choose them with options; not both")
            if not (ids or which or everything):
                raise click.UsageError("name dead letters, choose them with options, or say --all")
            command(*args, chosen=Chosen(ids, which), **kwargs)

        return with_chosen

    return decorate


def through(told: Remote, act: bulk.Act, chosen: Chosen) -> list[bulk.Part]:
    """Do something to what was chosen, a page at a time."""
    if chosen.ids:
        return [told.send(act(one, None)) for one in bulk.chosen(chosen.ids)]
    asked = bulk.until(chosen.which, clock.now())
    made = [told.send(act(asked, None))]
    while made[-1].cursor is not None:
        made.append(told.send(act(asked, made[-1].cursor)))
    return made


def forget_all(told: Remote, act: bulk.Act, chosen: Chosen) -> None:
    """Delete what was chosen, and say how many it were."""
    count = sum(part.count for part in through(told, act, chosen))
    told.out.done(f"{count} deleted", deleted=count)


def made_of(parts: list[bulk.Part], field: str) -> list[str]:
    """Return a field of everything that was made."""
    return [str(item[field]) for part in parts for item in part.items]
