"""The requests of a scripted workflow SDK: starting a run, submitting its steps, and reading what the broker tells of it."""

import json
from typing import Any

from support.inprocess import InProcess

URL = "https://shop.example/wf/order"
BOTH = [("Upstash-Workflow-Sdk-Version", "1"), ("Upstash-workflow-sdk", "v1.3.2")]
FEATURES = "LazyFetch,InitialBody,WF_DetectTrigger,WF_TriggerOnConfig"
ENDED = "failed to publish to url: can not append to a a cancelled workflow"


def init(run_id: str = "wfr_1", **more: str) -> dict[str, str]:
    return {
        "Upstash-Workflow-Init": "true",
        "Upstash-Workflow-RunId": run_id,
        "Upstash-Workflow-Url": URL,
        "Upstash-Feature-Set": FEATURES,
        "Upstash-Forward-Upstash-Workflow-Sdk-Version": "1",
    } | {name.replace("_", "-"): value for name, value in more.items()}


def step(number: int, run_id: str = "wfr_1", target: int | None = None, **more: Any) -> dict[str, Any]:
    body = {"stepId": number, "stepName": f"s{target or number}", "stepType": "Run", "out": "1", "concurrent": 1}
    if target is not None:
        body |= {"stepId": 0, "targetStep": target, "concurrent": 2}
    headers = init(run_id) | {"Upstash-Workflow-Init": "false"} | more.pop("headers", {})
    return {"destination": URL, "headers": headers, "body": json.dumps(body | more), "queue": None}


def wait(run_id: str = "wfr_1") -> dict[str, Any]:
    """Return what lets the first step of a run wait for an event."""
    return {
        "url": URL,
        "timeout": "7d",
        "timeoutHeaders": {"Upstash-Workflow-RunId": [run_id], "Upstash-Workflow-Init": ["false"]},
        "step": {"stepId": 1, "stepName": "w", "stepType": "Wait", "concurrent": 1},
    }


def webhook(event_id: str = "evt_1", run_id: str = "wfr_1") -> dict[str, Any]:
    """Return what the first step of a run submits that makes an address for an event."""
    url = f"https://broker.example/v2/workflows/hooks/one/{run_id}/{event_id}"
    out = json.dumps({"webhookUrl": url, "eventId": event_id})
    return step(1, run_id, stepName="hook", stepType="CreateWebhook", out=out)


async def batch(ringed: InProcess, *items: dict[str, Any]) -> Any:
    return await ringed.call("POST", "/v2/batch", list(items))


async def begin(ringed: InProcess, run_id: str = "wfr_1", body: Any = "payload", **headers: str) -> Any:
    answer = await batch(ringed, {"destination": URL, "headers": init(run_id, **headers), "body": body})
    assert answer.status == 200, answer
    await ringed.settle()
    return answer.json[0]


async def log(ringed: InProcess, run_id: str = "wfr_1") -> dict[str, Any]:
    runs = (await ringed.call("GET", f"/v2/workflows/logs?workflowRunId={run_id}")).json["runs"]
    return dict(runs[0])


def entries(ringed: InProcess, number: int) -> list[dict[str, str]]:
    return list(json.loads(ringed.sent[number].body))
