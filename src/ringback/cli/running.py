"""Running a broker in the foreground until it is told to stop."""

import asyncio
import contextlib
import gc
import os
import signal
from typing import TYPE_CHECKING

import click

from ringback.broker.app import Service
from ringback.broker.settings import Settings

if TYPE_CHECKING:
    from ringback.broker.engine.tracing import Tracing

_EXPORTERS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
"""OpenTelemetry's own variables that name an exporter."""


def run(settings: Settings, *, tell_secrets: bool) -> None:
    """Run a broker; SIGINT and SIGTERM let it finish what is in flight.

    Args:
        settings: what it is told.
        tell_secrets: whether the lines that clients need are printed, secrets included; for development only.

    Raises:
        StoreUnavailable: the database cannot be opened.
        OSError: the address is taken.
    """
    _tune_collector()
    with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(settings, tell_secrets))


async def _serve(settings: Settings, tell_secrets: bool) -> None:
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    tracing = _tracing()
    service = Service(settings, tracing)
    host, port = await service.start()
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    click.echo(f"ringback is running at {url}\n")
    click.echo(f"QSTASH_URL={url}")
    if tell_secrets:
        tenant = settings.tenants[0]
        click.echo(f"QSTASH_TOKEN={tenant.token}")
        click.echo(f"QSTASH_CURRENT_SIGNING_KEY={tenant.keys.current}")
        click.echo(f"QSTASH_NEXT_SIGNING_KEY={tenant.keys.next}\n")
    await stop.wait()
    click.echo("stopping ...")
    await service.stop()
    if tracing:
        tracing.close()


def _tracing() -> "Tracing | None":
    """Traces are made where the environment names an exporter.

    Raises:
        click.ClickException: it does, and the libraries are missing.
    """
    if not any(os.environ.get(name) for name in _EXPORTERS):
        return None
    try:
        from ringback.broker.engine.tracing import Tracing, provider_from_environment
    except ModuleNotFoundError as error:
        raise click.ClickException(f"traces need {error.name}: pip install 'ringback[otel]'") from error
    return Tracing(provider_from_environment())


def _tune_collector() -> None:
    """Look for cycles less often: a message makes hundreds of objects and no cycle, and the default looks every 700."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    """uvloop where it is installed: it halves the cost of a connection."""
    try:
        import uvloop
    except ModuleNotFoundError:
        return None
    return uvloop.Loop
