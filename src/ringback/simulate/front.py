"""The address of a deployment: this file is the ASGI application that callers reach, and the simulator's own calls."""

import json
import logging
from collections.abc import Callable
from typing import Any

from ringback.simulate.deployment import Deployment
from ringback.simulate.exchange import Call, Exchange

CONTROL = "/_sim"
logger = logging.getLogger("ringback.simulate")


class Front:
    """Takes requests for a deployment.

    Args:
        deployment: answers everything that is not for the simulator itself.
    """

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1011, "reason": "web sockets are not simulated"})
            return
        if scope["path"] == CONTROL or scope["path"].startswith(f"{CONTROL}/"):
            await self._control(scope, send)
            return
        body = await self._body(receive)
        target = scope["raw_path"].decode("latin-1")
        if query := scope["query_string"].decode("latin-1"):
            target += f"?{query}"
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        caller = scope["client"][0] if scope.get("client") else "127.0.0.1"
        try:
            await self._deployment.answer(Exchange(Call(scope["method"], target, headers, body, caller), send))
        except Exception:
            logger.exception(
                "the simulator itself failed"
            )  # its server keeps silent, for answers are cut off on purpose
            raise

    async def _body(self, receive: Any) -> bytes:
        """Read a body, at most one byte more than the platform takes."""
        body = bytearray()
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body") or len(body) > self._deployment.platform.request_bytes:
                return bytes(body[: self._deployment.platform.request_bytes + 1])

    async def _control(self, scope: Any, send: Any) -> None:
        calls: dict[tuple[str, str], Callable[[], Any]] = {
            ("GET", CONTROL): lambda: snapshot(self._deployment),
            ("GET", f"{CONTROL}/report"): lambda: json.loads(self._deployment.report().as_json()),
            ("POST", f"{CONTROL}/redeploy"): self._deployment.redeploy,
            ("POST", f"{CONTROL}/kill"): self._deployment.kill,
        }
        call = calls.get((scope["method"], scope["path"]))
        if call is None:
            status, value = 404, {"error": f"there are {', '.join(f'{method} {path}' for method, path in calls)}"}
        else:
            answer = call()
            status, value = 200, await answer if hasattr(answer, "__await__") else answer
        body = json.dumps(value or {"ok": True}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def snapshot(deployment: Deployment) -> dict[str, Any]:
    """Return the present state: instances, the last requests, numbers, what was found so far."""
    found = deployment.report().findings
    return {
        "platform": deployment.platform.name,
        "application": deployment.application.target,
        "requests": deployment.requests,
        "coldStarts": deployment.fleet.cold_starts,
        "instances": [
            {
                "name": one.name,
                "state": _state(one),
                "inFlight": list(one.in_flight.values()),
                "served": one.served,
                "memoryMb": round(one.most_memory_mb, 1),
                "aliveSeconds": round(one.life().alive_s, 1),
                "awakeSeconds": round(one.life().awake_s, 1),
            }
            for one in deployment.fleet.instances
        ],
        "answered": [
            {
                "request": one.request,
                "status": one.status,
                "seconds": one.seconds,
                "instance": one.instance,
                "note": one.note,
            }
            for one in deployment.answered
        ],
        "findings": [{"severity": one.severity.name.lower(), "what": one.what, "where": one.where} for one in found],
    }


def _state(instance: Any) -> str:
    if not instance.port:
        return "starting"
    if instance.is_frozen:
        return "frozen"
    return "working, replaced" if instance.retired else "working"
