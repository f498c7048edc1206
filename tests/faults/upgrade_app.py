"""The application of the upgrade run: workflows of each kind of step, served by the SDK of whichever release runs this file."""

import os
import socket
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette

from ringback.workflow import Context, RunOptions
from ringback.workflow.adapters.starlette import serve

THERE = os.environ["ENDPOINT"]
OFTEN = RunOptions(retries=30, retry_delay="200")
APP = Starlette()


def _done(run: str, step: str) -> str:
    """Have the endpoint count what was done."""
    httpx.post(f"{THERE}/step", content=f"{run} {step}", timeout=20).raise_for_status()
    return f"{step} of {run}"


async def order(context: Context[str]) -> list[Any]:
    """Go through steps, a sleep, a parallel group, an event, a call and another workflow."""
    name = context.request_payload
    first = await context.run("first", lambda: _done(name, "first"))
    await context.sleep("nap", "1s")
    both = await context.parallel(
        context.run("left", lambda: _done(name, "left")), context.run("right", lambda: _done(name, "right"))
    )
    event = await context.wait_for_event("ready", f"ready-{name}", timeout="600s")
    answer = await context.call("ask", url=f"{THERE}/asked", method="POST", body=name, retries=30, retry_delay="200")
    child = await context.invoke("child", f"{context.url.rpartition('/')[0]}/child", body=name, options=OFTEN)
    last = await context.run("last", lambda: _done(name, "last"))
    return [first, *both, event.data, answer.status, child.body, last]


async def child(context: Context[str]) -> str:
    """Be invoked."""
    return await context.run("inner", lambda: f"child of {context.request_payload}")


async def doomed(context: Context[str]) -> str:
    """Fail until the endpoint says that it may be."""
    await context.run("before", lambda: _done(context.request_payload, "before"))

    def attempt() -> str:
        httpx.get(f"{THERE}/may", timeout=20).raise_for_status()
        return "it may be"

    return await context.run("attempt", attempt)


for workflow in (order, child, doomed):
    serve(APP, f"/{workflow.__name__}", workflow)

if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    config = uvicorn.Config(APP, log_level="warning", lifespan="off", ws="none")
    uvicorn.Server(config).run(sockets=[listener])
