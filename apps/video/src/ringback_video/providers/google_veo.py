"""Veo on Vertex AI, through Google's official client (built for google-genai 3.6.1). It does not call back: it is polled."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
from google import genai
from google.auth import aws, identity_pool
from google.auth.exceptions import GoogleAuthError
from google.genai import types
from google.oauth2 import service_account

from ringback_video.providers import asking
from ringback_video.providers.contract import Capabilities, Look, NotThere
from ringback_video.providers.foreign import Foreign
from ringback_video.providers.sending import TIMEOUT, Once, told_plainly
from ringback_video.rendering.operation import Order

_NAME = "Google Veo"
_CREDENTIALS = "GOOGLE_APPLICATION_CREDENTIALS_JSON"
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_AWS = "urn:ietf:params:aws:token-type:aws4_request"
_KINDS: dict[tuple[str, bool], Any] = {
    ("service_account", False): service_account.Credentials.from_service_account_info,
    ("external_account", False): identity_pool.Credentials.from_info,
    ("external_account", True): aws.Credentials.from_info,
}
"""By `type` in the JSON, and whether it is AWS's identity that is exchanged (docs of google-auth 2.x)."""
_CAPABILITIES = Capabilities(
    name="google-veo",
    contract="google-genai 3.6.1",
    formats=frozenset({"landscape", "portrait"}),
    seconds=(4, 6, 8),
    most_photos=2,
    poll_every_s=5.0,
    keeps_output_s=48 * 3600,
)


class GoogleVeo(Foreign):
    """Makes videos with Veo in a project of Google Cloud.

    Args:
        project: `GOOGLE_CLOUD_PROJECT`.
        location: `GOOGLE_CLOUD_LOCATION`.
        model: `VEO_MODEL`.
        credentials: of google-auth, `GOOGLE_APPLICATION_CREDENTIALS_JSON`; looked for as all of Google's tools do, unless given.
        url: where the API is; chosen by the client unless given.
    """

    capabilities = _CAPABILITIES

    def __init__(
        self,
        project: str,
        location: str = "us-central1",
        model: str = "veo-3.1-fast-generate-001",
        credentials: Any = None,
        url: str | None = None,
    ) -> None:
        self._client = genai.Client(
            vertexai=True,
            project=project,
            location=location,
            credentials=credentials,
            http_options=send_once(_NAME, is_order, url),
        )
        self._model = model

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "GoogleVeo":
        """Read the settings; a missing one raises KeyError, credentials that are none ValueError."""
        return cls(
            environment["GOOGLE_CLOUD_PROJECT"],
            environment.get("GOOGLE_CLOUD_LOCATION", "us-central1"),
            environment.get("VEO_MODEL", "veo-3.1-fast-generate-001"),
            credentials_in(environment),
        )

    def start(self, job_id: str, order: Order, photos: list[bytes], callback_url: str | None = None) -> str:
        """See `Provider.start`; the film leads from the first photo to the last. The label is for the bill."""
        template = asking.wanted(order, _CAPABILITIES)
        first, last = _image(photos[0]), _image(photos[-1]) if len(photos) > 1 else None
        with told_plainly():
            operation = self._client.models.generate_videos(
                model=self._model,
                source=types.GenerateVideosSource(prompt=asking.prompt(template, order.caption), image=first),
                config=types.GenerateVideosConfig(
                    number_of_videos=1,
                    duration_seconds=asking.seconds(template, _CAPABILITIES),
                    aspect_ratio=asking.ASPECT[template.format],
                    resolution="720p",
                    generate_audio=False,
                    last_frame=last,
                    labels={"job": job_id.lower()},
                ),
            )
        return str(operation.name)

    def poll(self, operation_id: str) -> Look:
        """See `Provider.poll`."""
        try:
            operation = self._get(operation_id)
        except NotThere:
            return Look("lost", error="Google no longer knows this operation.")
        if not operation.done:
            return Look("running")
        if operation.error:
            return Look("failed", error=str(operation.error.get("message") or operation.error))
        found = operation.response
        if found is not None and not found.generated_videos and found.rai_media_filtered_count:
            reasons = " ".join(found.rai_media_filtered_reasons or ["Google gave no reason."])
            return Look("filtered", error=reasons)
        return Look("done", 100)

    def fetch(self, operation_id: str, target: Path) -> None:
        """See `Provider.fetch`; the video is part of the answer, for no bucket was given."""
        found = self._get(operation_id).response
        for generated in (found.generated_videos if found else None) or []:
            if generated.video and generated.video.video_bytes:
                target.write_bytes(generated.video.video_bytes)
                return
        raise NotThere("Google has finished, but there is no video in its result.")

    def cancel(self, operation_id: str) -> None:
        """See `Provider.cancel`; Veo cannot be stopped."""

    def _get(self, operation_id: str) -> types.GenerateVideosOperation:
        asked = types.GenerateVideosOperation()
        asked.name = operation_id
        with told_plainly():
            return self._client.operations.get(asked)


def credentials_in(environment: Mapping[str, str]) -> Any:
    """Return the credentials that stand in `GOOGLE_APPLICATION_CREDENTIALS_JSON`; None where google-auth is to look for them.

    A platform without files of ours has no place for the file that `GOOGLE_APPLICATION_CREDENTIALS` names. What would be in it
    (a service account's key, or a configuration of workload identity) stands in the variable itself.

    Raises:
        ValueError: it is not JSON, or no credentials; what it contains is not repeated.
    """
    text = environment.get(_CREDENTIALS, "")
    if not text:
        return None
    try:
        given = json.loads(text)
        return _KINDS[given["type"], given.get("subject_token_type") == _AWS](given, scopes=[_SCOPE])
    except (ValueError, TypeError, KeyError, GoogleAuthError) as error:
        what = "the JSON of a service account's key or of a workload identity, on one line"
        raise ValueError(f"{_CREDENTIALS} must be {what} ({type(error).__name__})") from None


def send_once(name: str, paid: Any, url: str | None) -> types.HttpOptions:
    """Return options with which Google's client repeats nothing."""
    return types.HttpOptions(
        base_url=url,
        retry_options=types.HttpRetryOptions(attempts=1),
        httpx_client=httpx.Client(transport=Once(name, paid), timeout=TIMEOUT),
    )


def is_order(request: httpx.Request) -> bool:
    """Whether a request starts a video."""
    return request.url.path.endswith(":predictLongRunning")


def _image(photo: bytes) -> types.Image:
    return types.Image(image_bytes=asking.picture(photo), mime_type="image/jpeg")
