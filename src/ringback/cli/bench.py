"""`ringback bench`: how fast a broker is from here, measured with messages to an endpoint in this process."""

import asyncio
import json
import time
from dataclasses import dataclass, field

import click

from ringback.broker.api.server import Server
from ringback.broker.engine.sender import HttpSender, SenderLimits
from ringback.cli.remote import Remote, remote
from ringback.client import Broker
from ringback.wire.guard import Policy
from ringback.wire.http import Outbound, Request, Response

_TIMEOUT_MS = 30_000
_STALLED_S = 30.0


@dataclass
class Measured:
    """When each message was acknowledged and when it arrived, in seconds of one clock."""

    acknowledged: dict[str, float] = field(default_factory=dict)
    arrived: dict[str, float] = field(default_factory=dict)
    begun: float = 0.0


@click.command()
@click.option("-n", "--messages", default=5000, show_default=True, type=click.IntRange(10, 1_000_000), help="How many.")
@click.option("--in-flight", default=64, show_default=True, type=click.IntRange(1, 1000), help="Publishes at once.")
@click.option("--size", default=300, show_default=True, type=click.IntRange(0, 1_000_000), help="Bytes of each body.")
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address of this machine, as the broker reaches it."
)
@remote
def bench(told: Remote, messages: int, in_flight: int, size: int, host: str) -> None:
    """Measure a broker: publish messages to an endpoint in this process, and time them.

    Publisher, endpoint and perhaps the broker share this machine's cores, so the figures are a lower bound.
    """
    found = asyncio.run(_measure(told.broker, messages, in_flight, b"x" * size, host))
    figures = _figures(found, messages)
    if told.out.as_json:
        told.out.record(figures)
        return
    for name, value in figures.items():
        click.echo(f"{name.replace('_', ' '):<32} {value:>12,}")


async def _measure(broker: Broker, messages: int, in_flight: int, body: bytes, host: str) -> Measured:
    measured, done = Measured(), asyncio.Event()

    def respond(request: Request) -> Response:
        measured.arrived[request.header("upstash-message-id") or ""] = time.perf_counter()
        if len(measured.arrived) >= messages:
            done.set()
        return Response(200)

    server = Server(respond, host=host, port=0)
    address, port = await server.start()
    sender = HttpSender(SenderLimits(Policy(allow_private=True)))
    remaining = iter(range(messages))
    headers = [("Authorization", f"Bearer {broker.token}"), ("Content-Type", "application/json")]

    async def publish() -> None:
        for _ in remaining:
            url = f"{broker.url}/v2/publish/http://{address}:{port}/bench"
            outcome = await sender.send(Outbound("POST", url, headers, body, _TIMEOUT_MS))
            if outcome.status not in (200, 201, 202):
                raise click.ClickException(f"the broker refused a message: {outcome.error or outcome.body.decode()}")
            measured.acknowledged[json.loads(outcome.body)["messageId"]] = time.perf_counter()

    try:
        measured.begun = time.perf_counter()
        await asyncio.gather(*(publish() for _ in range(in_flight)))
        await _all_arrived(done, measured)
    finally:
        await sender.close()
        await server.stop(1.0)
    return measured


async def _all_arrived(done: asyncio.Event, measured: Measured) -> None:
    """Wait as long as messages arrive."""
    while not done.is_set():
        before = len(measured.arrived)
        try:
            async with asyncio.timeout(_STALLED_S):
                await done.wait()
        except TimeoutError:
            if len(measured.arrived) == before:
                raise click.ClickException(
                    f"only {before} messages have arrived: can the broker reach this machine? (--host)"
                ) from None


def _figures(found: Measured, messages: int) -> dict[str, float]:
    waits = sorted(
        max(0.0, found.arrived[one] - acknowledged) * 1000 for one, acknowledged in found.acknowledged.items()
    )
    return {
        "accepted_per_s": round(messages / (max(found.acknowledged.values()) - found.begun)),
        "delivered_per_s": round(messages / (max(found.arrived.values()) - found.begun)),
        "acknowledged_to_delivered_p50_ms": round(waits[len(waits) // 2], 2),
        "acknowledged_to_delivered_p99_ms": round(waits[len(waits) * 99 // 100], 2),
    }
