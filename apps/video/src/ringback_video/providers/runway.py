"""Runway, through its official client (built for 5.24.0, interface of 2024-11-06). It does not call back: it is polled."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import runwayml

from ringback_video.providers import asking
from ringback_video.providers.contract import Capabilities, Look, NotThere, Refused
from ringback_video.providers.downloading import download
from ringback_video.providers.foreign import Foreign
from ringback_video.providers.sending import TIMEOUT, Once, told_plainly
from ringback_video.rendering.operation import Order
from ringback_video.templates import Format

_NAME = "Runway"
_RATIOS: dict[Format, str] = {"landscape": "1280:720", "square": "960:960", "portrait": "720:1280"}
_CAPABILITIES = Capabilities(
    name="runway",
    contract="runwayml 5.24.0, 2024-11-06",
    formats=frozenset(_RATIOS),
    seconds=tuple(range(2, 11)),
    progress=True,
    cancel="free before it starts",
    keeps_output_s=24 * 3600,
    poll_every_s=5.0,
)


class Runway(Foreign):
    """Makes videos with Runway.

    Args:
        key: `RUNWAYML_API_SECRET`.
        model: `RUNWAY_MODEL`.
        url: where the API is.
    """

    capabilities = _CAPABILITIES

    def __init__(self, key: str, model: str = "gen4.5", url: str = "https://api.dev.runwayml.com") -> None:
        self._client = runwayml.RunwayML(
            api_key=key,
            base_url=url,
            max_retries=0,
            timeout=TIMEOUT,
            http_client=httpx.Client(transport=Once(_NAME, _is_order), base_url=url, timeout=TIMEOUT),
        )
        self._model = model

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Runway":
        """Read the settings; a missing one raises KeyError."""
        return cls(environment["RUNWAYML_API_SECRET"], environment.get("RUNWAY_MODEL", "gen4.5"))

    def start(self, job_id: str, order: Order, photos: list[bytes], callback_url: str | None = None) -> str:
        """See `Provider.start`; Runway has no place for a tag of ours."""
        template = asking.wanted(order, _CAPABILITIES)
        with told_plainly():
            task = self._client.post(
                "/v1/image_to_video",
                body={
                    "model": self._model,
                    "promptImage": asking.data_uri(photos[0]),
                    "promptText": asking.prompt(template, order.caption),
                    "ratio": _RATIOS[template.format],
                    "duration": asking.seconds(template, _CAPABILITIES),
                },
                cast_to=runwayml.types.ImageToVideoCreateResponse,
            )
        return task.id

    def poll(self, operation_id: str) -> Look:
        """See `Provider.poll`."""
        try:
            task = self._get(operation_id)
        except NotThere:
            return Look("lost", error="Runway no longer knows this task.")
        match task.status:
            case "PENDING" | "THROTTLED":
                return Look(
                    "queued", note="Runway holds it back until others have ended." if task.status == "THROTTLED" else ""
                )
            case "RUNNING":
                return Look("running", min(99, int(task.progress * 100)))
            case "SUCCEEDED":
                return Look("done", 100, cost=task.cost.credits)
            case "CANCELLED":
                return Look("canceled", error="Canceled at Runway.", cost=task.cost.credits)
            case "FAILED":
                code = task.failure_code or ""
                flagged = "SAFETY" in code or "MODERATION" in code
                return Look(
                    "filtered" if flagged else "failed", error=f"{task.failure} {code}".strip(), cost=task.cost.credits
                )
            case other:
                return Look("running", note=f"Runway says {other!r}, which we do not know.")

    def fetch(self, operation_id: str, target: Path) -> None:
        """See `Provider.fetch`; asking again gives fresh links."""
        links = getattr(self._get(operation_id), "output", None) or []
        if not links:
            raise NotThere("Runway has finished, but there is no video in its result.")
        download(str(links[0]), _NAME, target)

    def cancel(self, operation_id: str) -> None:
        """See `Provider.cancel`; what has ended is left alone, for the same call would delete its video."""
        if self.poll(operation_id).stage not in ("queued", "running"):
            return
        try:
            with told_plainly():
                self._client.tasks.delete(operation_id)
        except (NotThere, Refused):
            return  # it has ended meanwhile

    def _get(self, operation_id: str) -> Any:
        """The client's types know no states but today's, what it returns may have others."""
        with told_plainly():
            return self._client.tasks.retrieve(operation_id)


def _is_order(request: httpx.Request) -> bool:
    return request.method == "POST"
