"""Work that goes on in an instance without a request: this file finds tasks and threads that are not idle."""

import asyncio
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

from ringback.simulate.inside.places import Place, package_of, place_of

MOST = 20
"""How many pieces of work are told at most."""


def unfinished(ignored: frozenset[int] = frozenset()) -> list[dict[str, Any]]:
    """Return the application's tasks and threads that have not ended: what, an id, where, own code or not, packages.

    Args:
        ignored: identities of threads that serve.
    """
    loops: set[asyncio.AbstractEventLoop] = set()
    found = []
    frames = sys._current_frames()  # noqa: SLF001 - documented
    names = {thread.ident: thread for thread in threading.enumerate()}
    for ident, innermost in frames.items():
        stack = list(reversed(list(_outwards(innermost))))
        loops.update(_loops(stack))
        if ident in ignored or ident == threading.get_ident() or names.get(ident) is threading.main_thread():
            continue
        place = place_of(stack) or _built_in(stack, names.get(ident))
        if place and not _runs_a_loop(stack):
            found.append({"what": "thread", "id": ident, **place._asdict()})
    for loop in loops:
        for task in asyncio.all_tasks(loop):
            if task is _current_task():
                continue
            frames_of_task = list(_awaited(task.get_coro()))
            place = place_of(frames_of_task)
            if place and package_of(frames_of_task[0].f_code.co_filename) != "uvicorn":
                found.append({"what": "task", "id": id(task), **place._asdict()})
    return found[:MOST]


def _current_task() -> "asyncio.Task[Any] | None":
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _loops(stack: list[FrameType]) -> Iterator[asyncio.AbstractEventLoop]:
    """Yield the event loops that run on a thread; they are local names of the functions that run them."""
    for frame in stack:
        if frame.f_code.co_name in ("run_forever", "run_until_complete", "run"):
            held = frame.f_locals.get("self")
            loop = held if isinstance(held, asyncio.AbstractEventLoop) else getattr(held, "_loop", None)
            if isinstance(loop, asyncio.AbstractEventLoop):
                yield loop


def _built_in(stack: list[FrameType], thread: threading.Thread | None) -> Place | None:
    """Return the place of a thread whose target is no Python code, None if it is another kind of thread."""
    if thread is None or not all(frame.f_code.co_filename == threading.__file__ for frame in stack):
        return None
    if stack[-1].f_code.co_name not in ("run", "wait"):  # it is just starting or ending
        return None
    return Place(f"thread {thread.name}", True, ())


def _runs_a_loop(stack: list[FrameType]) -> bool:
    """Whether a thread waits in its event loop: what it does is then in its tasks."""
    return bool(stack) and any(part in stack[-1].f_code.co_filename for part in ("/asyncio/", "/selectors.py"))


def _awaited(coroutine: Any) -> Iterator[FrameType]:
    """Yield the frames of a suspended coroutine, outermost first."""
    while coroutine is not None:
        for frame, following in (("cr_frame", "cr_await"), ("ag_frame", "ag_await"), ("gi_frame", "gi_yieldfrom")):
            held = getattr(coroutine, frame, None)
            if isinstance(held, FrameType):
                yield held
                coroutine = getattr(coroutine, following, None)
                break
        else:
            return
