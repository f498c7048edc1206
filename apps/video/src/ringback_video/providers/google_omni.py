"""Gemini Omni through Google's Interactions API (built for google-genai 3.6.1 and its webhooks of May 2026)."""

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import jwt
from google import genai

from ringback_video.providers import asking
from ringback_video.providers.contract import BadSignature, Capabilities, Look, NotThere, Refused, Unreachable, Webhook
from ringback_video.providers.downloading import download
from ringback_video.providers.foreign import Foreign
from ringback_video.providers.google_veo import send_once
from ringback_video.providers.sending import told_plainly
from ringback_video.providers.signatures import check_standard, check_time
from ringback_video.rendering.operation import Order

_NAME = "Google Omni"
_CAPABILITIES = Capabilities(
    name="google-omni",
    contract="google-genai 3.6.1, webhooks of 2026-05-19",
    formats=frozenset({"landscape", "portrait"}),
    seconds=(4, 6, 8),
    webhooks=True,
    cancel="free before it starts",
    keeps_output_s=48 * 3600,
    poll_every_s=5.0,
)
_FILTERED = ("safety", "prohibited", "blocked", "filtered", "policy")


class GoogleOmni(Foreign):
    """Makes videos with Gemini Omni.

    Args:
        key: `GEMINI_API_KEY`.
        model: `OMNI_MODEL`.
        secret: of a webhook registered with Google, `OMNI_WEBHOOK_SECRET`.
        keys_url: where Google publishes the keys for webhooks that each request names, `OMNI_WEBHOOK_KEYS`; Google's pages name
            two addresses, so there is no default. Without it, and without a secret, Google is polled.
        url: where the API is; chosen by the client unless given.
    """

    capabilities = _CAPABILITIES

    def __init__(
        self,
        key: str,
        model: str = "gemini-omni-1.1-flash",
        secret: str = "",
        keys_url: str = "",
        url: str | None = None,
    ) -> None:
        self._client = genai.Client(api_key=key, http_options=send_once(_NAME, is_order, url))
        self._key, self._host = key, httpx.URL(url).host if url else "generativelanguage.googleapis.com"
        self._model = model
        self._secret = secret
        self._keys = jwt.PyJWKClient(keys_url, timeout=10) if keys_url else None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "GoogleOmni":
        """Read the settings; a missing one raises KeyError."""
        return cls(
            environment["GEMINI_API_KEY"],
            environment.get("OMNI_MODEL", "gemini-omni-1.1-flash"),
            environment.get("OMNI_WEBHOOK_SECRET", ""),
            environment.get("OMNI_WEBHOOK_KEYS", ""),
        )

    def start(self, job_id: str, order: Order, photos: list[bytes], callback_url: str | None = None) -> str:
        """See `Provider.start`; the job is a label, and comes back with each webhook."""
        template = asking.wanted(order, _CAPABILITIES)
        calls: dict[str, Any] = {}
        if callback_url and self._keys:
            calls["webhook_config"] = {"uris": [callback_url], "user_metadata": {"job": job_id}}
        picture = b64encode(asking.picture(photos[0])).decode()
        with told_plainly():
            interaction: Any = self._client.interactions.create(
                model=self._model,
                input=[
                    {"type": "text", "text": asking.prompt(template, order.caption)},
                    {"type": "image", "data": picture, "mime_type": "image/jpeg"},
                ],
                background=True,
                store=True,
                labels={"job": job_id.lower()},
                response_format={
                    "type": "video",
                    "aspect_ratio": asking.ASPECT[template.format],
                    "resolution": "720p",
                    "duration": f"{asking.seconds(template, _CAPABILITIES)}s",
                    "delivery": "uri",
                },
                generation_config={"video_config": {"task": "image_to_video"}},
                **calls,
            )
        return str(interaction.id)

    def poll(self, operation_id: str) -> Look:
        """See `Provider.poll`."""
        try:
            interaction = self._get(operation_id)
        except NotThere:
            return Look("lost", error="Google no longer knows this interaction.")
        match str(interaction.status):
            case "queued":
                return Look("queued")
            case "in_progress":
                return Look("running")
            case "completed":
                return Look("done", 100)
            case "cancelled":
                return Look("canceled", error="Canceled at Google.")
            case "failed" | "incomplete" | "budget_exceeded" as status:
                return _failed(interaction, status)
            case "requires_action" | "requires_continuation" as status:
                return Look("failed", error=f"Google wants something that a film does not have ({status}).")
            case status:
                return Look("running", note=f"Google says {status!r}, which we do not know.")

    def fetch(self, operation_id: str, target: Path) -> None:
        """See `Provider.fetch`."""
        video = getattr(self._get(operation_id), "output_video", None)
        if video is not None and video.data:
            target.write_bytes(b64decode(video.data))
            return
        if video is None or not video.uri:
            raise NotThere("Google has finished, but there is no video in its result.")
        # the key is for Google alone
        own = httpx.URL(video.uri).host == self._host
        download(str(video.uri), _NAME, target, {"x-goog-api-key": self._key} if own else None)

    def cancel(self, operation_id: str) -> None:
        """See `Provider.cancel`."""
        try:
            with told_plainly():
                self._client.interactions.cancel(id=operation_id)
        except (NotThere, Refused):
            return  # it has ended

    def verify_webhook(self, headers: Mapping[str, str], body: bytes, now_s: float) -> Webhook:
        """See `Provider.verify_webhook`: a shared secret for a registered webhook, else a token signed with Google's keys."""
        by_secret = bool(self._secret)
        event_id = (
            check_standard(headers, body, self._secret, now_s) if by_secret else self._check_token(headers, now_s)
        )
        try:
            return Webhook(event_id, str(json.loads(body)["data"]["id"]))
        except (ValueError, KeyError, TypeError) as error:
            raise BadSignature("The webhook has no interaction in it.") from error

    def _check_token(self, headers: Mapping[str, str], now_s: float) -> str:
        check_time(headers.get("webhook-timestamp", ""), now_s)
        if self._keys is None:
            raise BadSignature("No keys for Google's webhooks are set: OMNI_WEBHOOK_SECRET or OMNI_WEBHOOK_KEYS.")
        token = headers.get("webhook-signature", "")
        try:
            key = self._keys.get_signing_key_from_jwt(token)
            jwt.decode(token, key.key, ["RS256"], options={"verify_aud": False})
        except jwt.PyJWKClientConnectionError as error:
            raise Unreachable("The keys of Google's webhooks cannot be had.") from error
        except jwt.PyJWTError as error:
            raise BadSignature("The webhook's signature does not hold.") from error
        return headers.get("webhook-id", "")

    def _get(self, operation_id: str) -> Any:
        with told_plainly():
            return self._client.interactions.get(id=operation_id)


def is_order(request: httpx.Request) -> bool:
    """Whether a request starts a video."""
    return request.method == "POST" and request.url.path.endswith("/interactions")


def _failed(interaction: Any, status: str) -> Look:
    said = " ".join(
        str(getattr(error, "message", None) or error) for error in getattr(interaction, "errors", None) or []
    )
    text = said or f"Google gave no reason ({status})."
    return Look("filtered" if any(word in text.lower() for word in _FILTERED) else "failed", error=text)
