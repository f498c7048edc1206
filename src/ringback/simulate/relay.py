"""A request to an instance and its answer back: this file carries them, within the platform's sizes."""

import time
from typing import Any

import httpx

from ringback.simulate import findings
from ringback.simulate.exchange import Exchange
from ringback.simulate.findings import Finding
from ringback.simulate.platforms import Platform

_HOP = {b"connection", b"keep-alive", b"transfer-encoding", b"date", b"server"}


class Relay:
    """The way between the platform's front and its instances.

    Args:
        platform: its limits and headers.
        host: host and port at which the deployment is reached.
    """

    def __init__(self, platform: Platform, host: str) -> None:
        self._platform, self._host = platform, host
        # A kept connection would be open across a freeze
        limits = httpx.Limits(max_keepalive_connections=0)
        self._client = httpx.AsyncClient(limits=limits, timeout=None, trust_env=False)  # noqa: S113 - duration_s bounds it
        self._client.headers.clear()  # the caller's headers, and no others

    async def carry(self, exchange: Exchange, port: int) -> list[Finding]:
        """Send a request to an instance and its answer to the caller.

        Raises:
            httpx.TransportError: the instance does not answer, or ended while it did.
        """
        limit = self._platform.response_bytes
        url = f"http://127.0.0.1:{port}{exchange.call.target}"
        async with self._client.stream(exchange.call.method, url, **self._request(exchange)) as answer:
            headers = [(name, value) for name, value in answer.headers.raw if name.lower() not in _HOP]
            if self._platform.streams and "content-length" not in answer.headers:
                await exchange.begin(answer.status_code, headers)
                async for part in answer.aiter_raw():
                    await exchange.part(part, more=True)
                await exchange.part(b"", more=False)
                return []
            body = bytearray()
            async for part in answer.aiter_raw():
                body += part[: limit + 1 - len(body)]
        if len(body) > limit:
            await exchange.refuse(self._platform.response_status, "response body too large")
        else:
            await exchange.begin(answer.status_code, headers)
            await exchange.part(bytes(body), more=False)
        return findings.body(exchange.call.name, len(body), limit, "response")

    async def close(self) -> None:
        """Close what is open."""
        await self._client.aclose()

    def _request(self, exchange: Exchange) -> dict[str, Any]:
        call = exchange.call
        of_platform = self._platform.headers(self._host, call.caller, exchange.id)
        added = {name.encode() for name, _ in of_platform}
        kept = [(name, value) for name, value in call.headers if name.lower().encode() not in _HOP | added]
        deadline = str(time.monotonic() + self._platform.duration_s)
        ours = [("x-ringback-request", exchange.id), ("x-ringback-deadline", deadline)]
        return {"headers": [*kept, *of_platform, *ours], "content": call.body}
