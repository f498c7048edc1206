"""Running a broker in the foreground until it is told to stop."""

import asyncio
import contextlib
import errno
import gc
import logging
import os
import signal
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from ringback.broker.app import Service
from ringback.broker.settings import Settings
from ringback.cli.beside import application
from ringback.cli.logs import configure
from ringback.cli.pages import serve_console

if TYPE_CHECKING:
    from ringback.broker.engine.tracing import Tracing

_EXPORTERS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
"""OpenTelemetry's own variables that name an exporter."""

_LOOK_UPS = 32
"""Names that are looked up at once."""


@dataclass(frozen=True, slots=True)
class Development:
    """What is only for development.

    Attributes:
        live: whether each attempt is shown.
        app: the user's own application, as MODULE:APP, and its port; started beside the broker.
    """

    live: bool = False
    app: tuple[str, int] | None = None


def run(settings: Settings, development: Development | None = None) -> None:
    """Run a broker; SIGINT and SIGTERM let it finish what is in flight.

    Args:
        settings: what it is told.
        development: for development: the lines that clients need are printed, secrets included.

    Raises:
        StoreUnavailable: the database cannot be opened.
        OSError: the address is taken.
    """
    configure(settings.log_level, settings.log_format)
    if development is not None:  # the live view tells it better
        logging.getLogger("ringback.decisions").setLevel(logging.ERROR)
    _tune_collector()
    with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(settings, development))


def explained(error: Exception) -> str:
    """Return, for a person, why a broker could not be run."""
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return f"the address is taken, perhaps by another broker; --port takes another ({error.strerror or error})"
    if isinstance(error, socket.gaierror):
        return f"--host is no address of this machine ({error.strerror or error})"
    return str(error)


async def _serve(settings: Settings, development: Development | None) -> None:
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    tracing = _tracing()
    service = Service(settings, tracing)
    host, port = await service.start()
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    click.echo(f"ringback is running at {url}\n")
    click.echo(f"QSTASH_URL={url}")
    offered = settings.tenants[0] if development is not None else None
    console = serve_console(service, settings, url, offered) if settings.console else ""
    with contextlib.ExitStack() as beside:
        if development is not None:
            _develop(service, settings, url, development, beside)
        if console:
            click.echo(console)
        await stop.wait()
    click.echo("stopping ...")
    await service.stop()
    if tracing:
        tracing.close()


def _develop(service: Service, settings: Settings, url: str, wanted: Development, beside: contextlib.ExitStack) -> None:
    """Print what clients need, show attempts, start the user's application."""
    tenant = settings.tenants[0]
    variables = {
        "QSTASH_TOKEN": tenant.token,
        "QSTASH_CURRENT_SIGNING_KEY": tenant.keys.current,
        "QSTASH_NEXT_SIGNING_KEY": tenant.keys.next,
    }
    for name, value in variables.items():
        click.echo(f"{name}={value}")
    click.echo()
    if wanted.live:
        from rich.console import Console

        from ringback.cli.live import LiveView

        service.broker.watchers.append(LiveView(Console(highlight=False)).see)
    if wanted.app:
        beside.enter_context(application(*wanted.app, {"QSTASH_URL": url, **variables}))


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
    """uvloop where it is installed: it halves the cost of a connection.

    It looks up four names at once unless told otherwise, and four whose servers are silent would keep all others waiting.
    """
    try:
        import uvloop
    except ModuleNotFoundError:
        return None
    os.environ.setdefault("UV_THREADPOOL_SIZE", str(_LOOK_UPS))
    return uvloop.Loop
