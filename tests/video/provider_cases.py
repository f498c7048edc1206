"""How each provider answers, for the tests that all adapters go through."""

import hmac
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from google.oauth2.credentials import Credentials

from ringback_video.providers.contract import Provider, Stage
from ringback_video.providers.fal import Fal
from ringback_video.providers.google_omni import GoogleOmni
from ringback_video.providers.google_veo import GoogleVeo
from ringback_video.providers.replicate import Replicate
from ringback_video.providers.runway import Runway
from video.standin import VIDEO, Answer, StandIn

AT = "2026-11-01T10:00:00Z"
SECRET = "whsec_" + b64encode(b"a secret of thirty-two bytes, yes").decode()


@dataclass(frozen=True)
class Case:
    """One provider: how its adapter is made, and what the stand-in says.

    `states` has the answers to a poll by the stage that they mean; `unknown` is a state that does not exist, `vanished` a success
    without a video.
    """

    name: str
    make: Callable[[StandIn], Provider]
    submit: str
    accepted: Answer
    operation_id: str
    poll: tuple[str, str]
    states: dict[Stage, Answer]
    unknown: Answer
    vanished: Answer
    cancel: tuple[str, str] | None
    result: str = ""
    words: list[str] = field(default_factory=list)

    def done(self, standing: StandIn) -> None:
        """Let the stand-in say that the video is finished."""
        standing.say(*self.poll, _with_url(self.states["done"], standing))
        if self.result:
            standing.say("GET", self.result, Answer({"video": {"url": f"{standing.url}/files/video.mp4"}}))

    def gone(self, standing: StandIn) -> None:
        """Let the stand-in say that it is finished, and have no video."""
        standing.say(*self.poll, self.states["done"] if self.result else self.vanished)
        if self.result:
            standing.say("GET", self.result, self.vanished)


def _with_url(answer: Answer, standing: StandIn) -> Answer:
    return Answer(_replaced(answer.body, standing.url), answer.status)


def _replaced(value: Any, url: str) -> Any:
    if isinstance(value, dict):
        return {name: _replaced(inner, url) for name, inner in value.items()}
    if isinstance(value, list):
        return [_replaced(inner, url) for inner in value]
    return value.replace("URL", url) if isinstance(value, str) else value


def _prediction(status: str, **more: Any) -> Answer:
    shape = {
        "id": "p1",
        "model": "m/m",
        "version": "v",
        "status": status,
        "input": {},
        "output": None,
        "logs": "",
        "error": None,
    }
    return Answer(shape | {"metrics": None, "created_at": AT, "urls": {}} | more)


REPLICATE = Case(
    name="replicate",
    make=lambda standing: Replicate("token", "m/m", secret=SECRET, url=standing.url),
    submit="/v1/models/m/m/predictions",
    accepted=_prediction("starting"),
    operation_id="p1",
    poll=("GET", "/v1/predictions/p1"),
    states={
        "queued": _prediction("starting"),
        "running": _prediction("processing", logs=" 40%|####      | 4/10 [00:04<00:06,  1.00s/it]\n"),
        "done": _prediction("succeeded", output="URL/files/video.mp4", metrics={"predict_time": 12.5}),
        "failed": _prediction("failed", error="out of memory"),
        "filtered": _prediction("failed", error="The input was flagged as sensitive. (E005)"),
        "canceled": _prediction("aborted"),
    },
    unknown=_prediction("contemplating"),
    vanished=_prediction("succeeded", output=None),
    cancel=("POST", "/v1/predictions/p1/cancel"),
)

FAL = Case(
    name="fal",
    make=lambda standing: Fal("key", "fal-ai/veo/image-to-video", keys_url=f"{standing.url}/keys", host=standing.url),
    submit="/fal-ai/veo/image-to-video",
    accepted=Answer(
        {"request_id": "r1", "response_url": "https://x/r", "status_url": "https://x/s", "cancel_url": "https://x/c"}
    ),
    operation_id="r1",
    poll=("GET", "/fal-ai/veo/requests/r1/status"),
    states={
        "queued": Answer({"status": "IN_QUEUE", "queue_position": 3}),
        "running": Answer({"status": "IN_PROGRESS", "logs": None}),
        "done": Answer({"status": "COMPLETED", "logs": None, "metrics": {"inference_time": 12.5}}),
        "failed": Answer({"status": "COMPLETED", "logs": None, "error": "no runner", "error_type": "internal"}),
        "filtered": Answer(
            {"status": "COMPLETED", "logs": None, "error": "no", "error_type": "content_policy_violation"}
        ),
    },
    unknown=Answer({"status": "CONTEMPLATING"}),
    vanished=Answer({"video": None}),
    cancel=("PUT", "/fal-ai/veo/requests/r1/cancel"),
    result="/fal-ai/veo/requests/r1",
)


def _task(status: str, **more: Any) -> Answer:
    return Answer(
        {"id": "t1", "createdAt": AT, "status": status, "cost": {"credits": 25}, "estimatedCost": {"credits": 30}}
        | more
    )


RUNWAY = Case(
    name="runway",
    make=lambda standing: Runway("key", url=standing.url),
    submit="/v1/image_to_video",
    accepted=Answer({"id": "t1", "estimatedCost": {"credits": 30}}),
    operation_id="t1",
    poll=("GET", "/v1/tasks/t1"),
    states={
        "queued": _task("THROTTLED"),
        "running": _task("RUNNING", progress=0.4),
        "done": _task("SUCCEEDED", output=["URL/files/video.mp4"]),
        "failed": _task("FAILED", failure="An error", failureCode="INTERNAL.BAD_OUTPUT.CODE01"),
        "filtered": _task("FAILED", failure="Not allowed", failureCode="SAFETY.INPUT.IMAGE"),
        "canceled": _task("CANCELLED"),
    },
    unknown=_task("CONTEMPLATING"),
    vanished=_task("SUCCEEDED", output=[]),
    cancel=("DELETE", "/v1/tasks/t1"),
)

_MODEL = "projects/shop/locations/us-central1/publishers/google/models/veo"
_OPERATION = f"{_MODEL}/operations/o1"


def _operation(**more: Any) -> Answer:
    return Answer({"name": _OPERATION} | more)


VEO = Case(
    name="google-veo",
    make=lambda standing: GoogleVeo("shop", model="veo", credentials=Credentials("token"), url=standing.url),
    submit=f"/v1beta1/{_MODEL}:predictLongRunning",
    accepted=_operation(),
    operation_id=_OPERATION,
    poll=("POST", f"/v1beta1/{_MODEL}:fetchPredictOperation"),
    states={
        "running": _operation(done=False),
        "done": _operation(
            done=True,
            response={"videos": [{"bytesBase64Encoded": b64encode(VIDEO).decode(), "mimeType": "video/mp4"}]},
        ),
        "failed": _operation(done=True, error={"code": 13, "message": "internal"}),
        "filtered": _operation(
            done=True, response={"raiMediaFilteredCount": 1, "raiMediaFilteredReasons": ["A person. Code 15236754"]}
        ),
    },
    unknown=_operation(),
    vanished=_operation(done=True, response={}),
    cancel=None,
)


def _interaction(status: str, **more: Any) -> Answer:
    return Answer(
        {"id": "i1", "object": "interaction", "model": "m", "status": status, "created": AT, "updated": AT} | more
    )


def _made(uri: str | None) -> list[dict[str, Any]]:
    content = [{"type": "video", "uri": uri, "mime_type": "video/mp4"}] if uri else [{"type": "text", "text": "sorry"}]
    return [{"type": "model_output", "content": content}]


OMNI = Case(
    name="google-omni",
    make=lambda standing: GoogleOmni("key", "m", secret=SECRET, url=standing.url),
    submit="/v1/interactions",
    accepted=_interaction("queued"),
    operation_id="i1",
    poll=("GET", "/v1/interactions/i1"),
    states={
        "queued": _interaction("queued"),
        "running": _interaction("in_progress"),
        "done": _interaction("completed", steps=_made("URL/files/video.mp4")),
        "failed": _interaction("failed", errors=[{"message": "internal"}]),
        "filtered": _interaction("failed", errors=[{"message": "Blocked by safety settings"}]),
        "canceled": _interaction("cancelled"),
    },
    unknown=_interaction("contemplating"),
    vanished=_interaction("completed", steps=_made(None)),
    cancel=("POST", "/v1/interactions/i1/cancel"),
)

CASES = [REPLICATE, FAL, RUNWAY, VEO, OMNI]


def standard(event_id: str, body: bytes, at: int) -> dict[str, str]:
    """Return the headers of a call as Standard Webhooks sign it; one wrong signature comes first."""
    key = b64decode(SECRET.removeprefix("whsec_"))
    right = b64encode(hmac.digest(key, f"{event_id}.{at}.".encode() + body, sha256)).decode()
    return {"webhook-id": event_id, "webhook-timestamp": str(at), "webhook-signature": f"v1,bm8= v1,{right}"}
