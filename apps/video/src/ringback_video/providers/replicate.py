"""Replicate, through its official client (built for 1.0.7 and the documentation of October 2025)."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
from pydantic.v1 import ValidationError
from replicate.client import Client
from replicate.prediction import Prediction

from ringback_video.providers import asking
from ringback_video.providers.contract import BadSignature, Capabilities, Look, NotThere, Refused, Webhook
from ringback_video.providers.downloading import download
from ringback_video.providers.foreign import Foreign
from ringback_video.providers.sending import TIMEOUT, Once, told_plainly
from ringback_video.providers.signatures import check_standard
from ringback_video.rendering.operation import Order

_NAME = "Replicate"
_CAPABILITIES = Capabilities(
    name="replicate",
    contract="replicate 1.0.7, 2025-10-16",
    formats=frozenset({"landscape", "portrait"}),
    seconds=(4, 6, 8),
    webhooks=True,
    cancel="free before it starts",
    keeps_output_s=3600,
    poll_every_s=2.0,
)


class Replicate(Foreign):
    """Makes videos with a model on Replicate.

    Args:
        token: `REPLICATE_API_TOKEN`.
        model: owner and name, `REPLICATE_MODEL`.
        arguments: laid over the model's input, `REPLICATE_INPUT`; models name things differently.
        secret: for webhooks, `REPLICATE_WEBHOOK_SECRET`; asked for at Replicate where it is not given.
        url: where the API is.
    """

    capabilities = _CAPABILITIES

    def __init__(
        self,
        token: str,
        model: str = "google/veo-3.1-fast",
        arguments: Mapping[str, Any] | None = None,
        secret: str = "",
        url: str = "https://api.replicate.com",
    ) -> None:
        self._client = Client(token, base_url=url, timeout=TIMEOUT, transport=Once(_NAME, _is_order))
        self._model = model
        self._arguments = dict(arguments or {})
        self._secret = secret

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Replicate":
        """Read the settings; a missing one raises KeyError."""
        return cls(
            environment["REPLICATE_API_TOKEN"],
            environment.get("REPLICATE_MODEL", "google/veo-3.1-fast"),
            json.loads(environment.get("REPLICATE_INPUT", "{}")),
            environment.get("REPLICATE_WEBHOOK_SECRET", ""),
        )

    def start(self, job_id: str, order: Order, photos: list[bytes], callback_url: str | None = None) -> str:
        """See `Provider.start`; the job is known again by the query of its webhook."""
        template = asking.wanted(order, _CAPABILITIES)
        given = {
            "prompt": asking.prompt(template, order.caption),
            "image": asking.data_uri(photos[0]),
            "aspect_ratio": asking.ASPECT[template.format],
            "duration": asking.seconds(template, _CAPABILITIES),
        }
        calls: dict[str, Any] = (
            {"webhook": callback_url, "webhook_events_filter": ["completed"]} if callback_url else {}
        )
        with told_plainly():
            return str(self._client.models.predictions.create(self._model, input=given | self._arguments, **calls).id)

    def poll(self, operation_id: str) -> Look:
        """See `Provider.poll`; the client refuses to read states it does not know, `aborted` among them."""
        try:
            prediction = self._get(operation_id)
        except NotThere:
            return Look("lost", error="Replicate no longer knows this prediction.")
        except ValidationError as error:
            return _unknown(_given_status(error))
        match prediction.status:
            case "starting":
                return Look("queued")
            case "processing":
                return Look("running", _percentage(prediction))
            case "canceled":
                return Look("canceled", error="Canceled at Replicate.", cost=_cost(prediction))
            case "failed":
                return _failed(prediction.error or "Replicate gave no reason.", _cost(prediction))
            case "succeeded":
                return Look("done", 100, cost=_cost(prediction))

    def fetch(self, operation_id: str, target: Path) -> None:
        """See `Provider.fetch`; results are deleted after an hour."""
        output = self._get(operation_id).output
        url = output[0] if isinstance(output, list) and output else output
        if not isinstance(url, str):
            raise NotThere("Replicate has deleted the video: it keeps results for one hour.")
        download(url, _NAME, target)

    def cancel(self, operation_id: str) -> None:
        """See `Provider.cancel`."""
        try:
            with told_plainly():
                self._client.predictions.cancel(operation_id)
        except (NotThere, Refused, ValidationError):
            return  # it has ended, or has been stopped before it began

    def verify_webhook(self, headers: Mapping[str, str], body: bytes, now_s: float) -> Webhook:
        """See `Provider.verify_webhook`."""
        if not self._secret:
            with told_plainly():
                self._secret = self._client.webhooks.default.secret().key
        event_id = check_standard(headers, body, self._secret, now_s)
        try:
            return Webhook(event_id, str(json.loads(body)["id"]))
        except (ValueError, KeyError, TypeError) as error:
            raise BadSignature("The webhook has no prediction in it.") from error

    def _get(self, operation_id: str) -> Prediction:
        with told_plainly():
            return self._client.predictions.get(operation_id)


def _is_order(request: httpx.Request) -> bool:
    return request.method == "POST" and request.url.path.endswith("/predictions")


def _given_status(error: ValidationError) -> str:
    """The state that the client could not read."""
    return next((str(one["ctx"]["given"]) for one in error.errors() if one["loc"] == ("status",)), "")


def _unknown(status: str) -> Look:
    if status == "aborted":
        return Look("canceled", error="Replicate did not begin in time and charged nothing.", cost=0)
    return Look("running", note=f"Replicate says {status!r}, which we do not know.")


def _cost(prediction: Prediction) -> float | None:
    """Seconds are what is paid for, those of a failed prediction too."""
    return (prediction.metrics or {}).get("predict_time")


def _failed(error: str, cost: float | None) -> Look:
    flagged = any(word in error.lower() for word in ("sensitive", "nsfw", "moderation", "flagged", "(e005)"))
    return Look("filtered" if flagged else "failed", error=error, cost=cost)


def _percentage(prediction: Prediction) -> int:
    """Models that print a progress bar are understood by the client."""
    progress = prediction.progress if prediction.logs else None
    return min(99, int(progress.percentage * 100)) if progress else 0
