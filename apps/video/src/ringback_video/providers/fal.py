"""fal, through its official client (built for 1.0.3 and the documentation of July 2026)."""

import json
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import fal_client
import httpx
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ringback_video.providers import asking
from ringback_video.providers.contract import (
    BadSignature,
    Capabilities,
    Look,
    NotThere,
    ProviderError,
    Refused,
    Unreachable,
    Webhook,
)
from ringback_video.providers.downloading import download, read_text
from ringback_video.providers.foreign import Foreign
from ringback_video.providers.sending import TIMEOUT, Once, told_plainly
from ringback_video.providers.signatures import check_time
from ringback_video.rendering.operation import Order

_NAME = "fal"
_KEYS = "https://rest.alpha.fal.ai/.well-known/jwks.json"
_KEYS_HOLD_S = 24 * 3600
_CAPABILITIES = Capabilities(
    name="fal",
    contract="fal-client 1.0.3, 2026-07",
    formats=frozenset({"landscape", "portrait"}),
    seconds=(4, 6, 8),
    webhooks=True,
    cancel="free before it starts",
    poll_every_s=2.0,
)


class Fal(Foreign):
    """Makes videos with a model on fal.

    Args:
        key: `FAL_KEY`.
        model: id of the endpoint, `FAL_MODEL`.
        arguments: laid over the model's arguments, `FAL_INPUT`; models name things differently.
        keys_url: where fal publishes the keys its webhooks are signed with.
        host: another place for fal's queue.
    """

    capabilities = _CAPABILITIES

    def __init__(
        self,
        key: str,
        model: str = "fal-ai/veo3.1/fast/image-to-video",
        arguments: Mapping[str, Any] | None = None,
        keys_url: str = _KEYS,
        host: str | None = None,
    ) -> None:
        self._client = fal_client.SyncClient(key=key, default_timeout=60.0)
        # the client has no switch for its repeating: the place where it keeps its HTTP client is filled before it looks
        self._client.__dict__["_client"] = httpx.Client(
            transport=Once(_NAME, _is_order, host), headers={"Authorization": f"Key {key}"}, timeout=TIMEOUT
        )
        self._model = model
        self._arguments = dict(arguments or {})
        self._keys_url = keys_url
        self._keys: list[Ed25519PublicKey] = []
        self._keys_at = 0.0

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Fal":
        """Read the settings; a missing one raises KeyError."""
        return cls(
            environment["FAL_KEY"],
            environment.get("FAL_MODEL", "fal-ai/veo3.1/fast/image-to-video"),
            json.loads(environment.get("FAL_INPUT", "{}")),
            environment.get("FAL_WEBHOOK_KEYS", _KEYS),
        )

    def start(self, job_id: str, order: Order, photos: list[bytes], callback_url: str | None = None) -> str:
        """See `Provider.start`; the job is known again by the query of its webhook."""
        template = asking.wanted(order, _CAPABILITIES)
        given = {
            "prompt": asking.prompt(template, order.caption),
            "image_url": asking.data_uri(photos[0]),
            "aspect_ratio": asking.ASPECT[template.format],
            "duration": f"{asking.seconds(template, _CAPABILITIES)}s",
            "generate_audio": False,
        }
        with told_plainly():
            handle = self._client.submit(self._model, given | self._arguments, webhook_url=callback_url)
            return str(handle.request_id)

    def poll(self, operation_id: str) -> Look:
        """See `Provider.poll`; the client refuses to read states it does not know."""
        try:
            with told_plainly():
                status = self._client.status(self._model, operation_id)
        except NotThere:
            return Look("lost", error="fal no longer knows this request.")
        except ValueError as error:
            return Look("running", note=f"fal: {error}")
        match status:
            case fal_client.Queued():
                return Look("queued", note=f"place {status.position + 1} in fal's queue")
            case fal_client.Completed():
                cost = (status.metrics or {}).get("inference_time")
                if status.error:
                    return _failed(status.error, status.error_type or "", cost)
                return Look("done", 100, cost=cost)
            case _:
                return Look("running")

    def fetch(self, operation_id: str, target: Path) -> None:
        """See `Provider.fetch`."""
        with told_plainly():
            result = self._client.result(self._model, operation_id)
        video = result.get("video") or next(iter(result.get("videos") or []), None)
        if not isinstance(video, dict) or not video.get("url"):
            raise NotThere("fal has finished, but there is no video in its result.")
        download(str(video["url"]), _NAME, target)

    def cancel(self, operation_id: str) -> None:
        """See `Provider.cancel`."""
        try:
            with told_plainly():
                self._client.cancel(self._model, operation_id)
        except (NotThere, Refused):
            return  # it has ended

    def verify_webhook(self, headers: Mapping[str, str], body: bytes, now_s: float) -> Webhook:
        """See `Provider.verify_webhook`: Ed25519 over request, user, time and a digest of the body, line by line."""
        request_id, user_id, at, signature = (
            headers.get(f"x-fal-webhook-{name}", "") for name in ("request-id", "user-id", "timestamp", "signature")
        )
        check_time(at, now_s)
        message = "\n".join((request_id, user_id, at, sha256(body).hexdigest())).encode()
        if not request_id or not any(_holds(key, signature, message) for key in self._public_keys(now_s)):
            raise BadSignature("The webhook's signature does not hold.")
        return Webhook(request_id, request_id)

    def _public_keys(self, now_s: float) -> list[Ed25519PublicKey]:
        """fal's keys; they may be kept for a day."""
        if not self._keys or now_s - self._keys_at > _KEYS_HOLD_S:
            try:
                found = json.loads(read_text(self._keys_url, _NAME))["keys"]
                self._keys = [Ed25519PublicKey.from_public_bytes(_decoded(key["x"])) for key in found]
            except (ProviderError, ValueError, KeyError) as error:
                raise Unreachable("The keys of fal's webhooks cannot be had.") from error
            self._keys_at = now_s
        return self._keys


def _is_order(request: httpx.Request) -> bool:
    return request.method == "POST"


def _holds(key: Ed25519PublicKey, signature: str, message: bytes) -> bool:
    try:
        key.verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _failed(error: str, kind: str, cost: float | None) -> Look:
    filtered = "content_policy" in f"{kind} {error}".lower()
    return Look("filtered" if filtered else "failed", error=error, cost=cost)
