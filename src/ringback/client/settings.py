"""Where the broker is and how one shows who one is, read from the environment (protocol workflow 7.5)."""

import json
import os
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from ringback.errors import RingbackError

CLOUD_URL = "https://qstash.upstash.io"
DEV_TOKEN = "eyJVc2VySUQiOiJkZWZhdWx0VXNlciIsIlBhc3N3b3JkIjoiZGVmYXVsdFBhc3N3b3JkIn0="
DEV_KEYS = ("sig_7kYjw48mhY7kAjqNGcy6cr29RJ6r", "sig_5ZB6DVzB1wjE8S6rZ7eenA8Pdnhs")


_PLATFORMS = (("VERCEL", "vercel"), ("AWS_LAMBDA_FUNCTION_NAME", "lambda"), ("K_SERVICE", "cloudrun"))


def platform(env: Mapping[str, str] = os.environ) -> str | None:
    """Return the serverless platform this process runs on: `vercel`, `lambda` or `cloudrun`; None where there is none."""
    return next((name for variable, name in _PLATFORMS if env.get(variable)), None)


class SettingMissing(RingbackError):
    """An environment variable is needed and not set."""


@dataclass(frozen=True, slots=True)
class Broker:
    """One broker as a client sees it.

    Attributes:
        url: its address without a slash at the end.
        token: the API token.
        signing_keys: the current and the next key of its signatures; empty when none are known.
    """

    url: str
    token: str = field(repr=False)
    signing_keys: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ, region: str | None = None) -> Self:
        """Read `QSTASH_URL`, `QSTASH_TOKEN` and the signing keys.

        `QSTASH_DEV=true` means the development server on `QSTASH_DEV_PORT` (8080) with its public credentials. With
        `QSTASH_REGION` the variables carry the region's name in front, as in `US_EAST_1_QSTASH_TOKEN`.

        Args:
            env: where to read.
            region: the region a delivery came from (header `Upstash-Region`), None for the default one.

        Raises:
            SettingMissing: there is no token.
        """
        if env.get("QSTASH_DEV", "").lower() in ("true", "1"):
            return cls(f"http://127.0.0.1:{env.get('QSTASH_DEV_PORT', '8080')}", DEV_TOKEN, DEV_KEYS)
        prefix = _prefix(env, region)
        token = env.get(f"{prefix}QSTASH_TOKEN", "")
        if not token:
            raise SettingMissing(
                f"set {prefix}QSTASH_TOKEN to the broker's API token (or QSTASH_DEV=true for a local one)"
            )
        names = (f"{prefix}QSTASH_CURRENT_SIGNING_KEY", f"{prefix}QSTASH_NEXT_SIGNING_KEY")
        keys = tuple(key for name in names if (key := env.get(name)))
        return cls(env.get(f"{prefix}QSTASH_URL", "").rstrip("/") or CLOUD_URL, token, keys)

    def webhook_url(self, run_id: str, event_id: str) -> str:
        """Return the address whose requests are kept for an event of a run (protocol workflow 2.8).

        Raises:
            SettingMissing: the token does not name its user, as tokens that can make webhooks do.
        """
        try:
            user = json.loads(b64decode(self.token))["UserID"]
        except (ValueError, KeyError, TypeError):
            raise SettingMissing("webhooks need an API token that is base64 of JSON with a UserID") from None
        return f"{self.url}/v2/workflows/hooks/{user}/{run_id}/{event_id}"


def _prefix(env: Mapping[str, str], region: str | None) -> str:
    default = env.get("QSTASH_REGION", "")
    if not default:
        return ""
    wanted = f"{(region or default).upper().replace('-', '_')}_"
    return wanted if env.get(f"{wanted}QSTASH_TOKEN") else f"{default}_"
