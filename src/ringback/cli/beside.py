"""The user's own application beside `ringback dev`: started with the broker's variables, reloaded when its code changes."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

_GRACE_S = 10


@contextmanager
def application(target: str, port: int, variables: dict[str, str]) -> Iterator[None]:
    """Run MODULE:APP under uvicorn for the length of a block.

    Args:
        target: an ASGI application.
        port: where it listens on 127.0.0.1.
        variables: what the broker tells its clients.

    Raises:
        click.ClickException: uvicorn is not installed.
    """
    try:
        import uvicorn  # noqa: F401 - it runs in a process of its own; here we only ask whether it is there
    except ModuleNotFoundError as error:
        raise click.ClickException("--reload-app needs uvicorn: pip install uvicorn") from error
    command = [sys.executable, "-m", "uvicorn", target, "--reload", "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(command, env={**os.environ, **variables})
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
