"""What all providers have in common that are somebody else's: most of them cannot be asked by our names."""

from collections.abc import Mapping
from typing import ClassVar

from ringback_video.providers.contract import BadSignature, Capabilities, Refused, Webhook


class Foreign:
    """Answers that hold unless an adapter knows better; see `Provider` for each."""

    capabilities: ClassVar[Capabilities]

    def look_up(self, job_id: str) -> str | None:
        """None of them can be asked for an operation by a tag of ours; where there is a webhook, it tells."""
        return None

    def restart(self, operation_id: str) -> None:
        """What a provider has lost was paid for; making it again is for a person to decide."""
        raise Refused(f"{self.capabilities.name} has lost the video; making it again would be a new order.")

    def verify_webhook(self, headers: Mapping[str, str], body: bytes, now_s: float) -> Webhook:
        """Who does not call back has sent nothing."""
        raise BadSignature(f"{self.capabilities.name} does not call back.")
