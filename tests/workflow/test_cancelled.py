"""A workflow whose request ends early: it is unwound, and nobody is told of it as of a fault."""

import asyncio
import threading
from typing import Any, cast

from ringback.workflow import BlockingContext, Context
from ringback.workflow.blocking import run_blocking


async def test_a_plain_workflow_that_raises_when_its_request_is_gone_is_no_fault_of_the_loop() -> None:
    begun, may_end = threading.Event(), threading.Event()

    def workflow(_: BlockingContext[None]) -> None:
        begun.set()
        may_end.wait(30)
        raise RuntimeError("the connection is gone")

    faults: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))
    running = asyncio.ensure_future(run_blocking(workflow, cast("Context[Any]", None)))
    await asyncio.to_thread(begun.wait, 30)
    running.cancel()
    await asyncio.sleep(0)
    may_end.set()
    await asyncio.wait({running})
    assert running.cancelled()
    assert faults == []
