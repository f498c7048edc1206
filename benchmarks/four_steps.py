"""The application of `benchmarks.workflows`: a workflow of four steps that do nothing else."""

from typing import Any

from ringback.workflow import Context
from ringback.workflow.adapters.asgi import Receive, Scope, Send, serve

_finished: list[str] = []


async def update_status(order: dict[str, Any]) -> dict[str, Any]:
    """Be the first step."""
    return {"order": order["order"], "status": "processing"}


async def generate_video(order: dict[str, Any]) -> dict[str, str]:
    """Be the second step."""
    return {"job": f"job-{order['order']}"}


async def poll_completion(job: str) -> dict[str, str]:
    """Be the third step."""
    return {"url": f"https://videos.example/{job}.mp4"}


async def save_result(url: str) -> bool:
    """Be the fourth step."""
    return url.endswith(".mp4")


async def process_video(context: Context[dict[str, Any]]) -> str:
    """Make a video that nobody will ever see."""
    order = context.request_payload
    await context.run("update-status", update_status, order)
    started = await context.run("generate-video", generate_video, order)
    video = await context.run("poll-completion", poll_completion, started["job"])
    await context.run("save-result", save_result, video["url"])
    _finished.append(context.workflow_run_id)
    return video["url"]


_workflow = serve(process_video)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve the workflow, and tell how many runs have come to their end."""
    if scope["type"] == "http" and scope["path"] == "/finished":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": str(len(_finished)).encode()})
    else:
        await _workflow(scope, receive, send)
