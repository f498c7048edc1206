"""Our own renderer: each video in a process of its own, which outlives the request that started it."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from ringback_video.providers.contract import BadSignature, Capabilities, Look, Webhook
from ringback_video.rendering.operation import Operation, Order, Said
from ringback_video.templates import SIZES

_CAPABILITIES = Capabilities(
    name="local",
    contract="ours",
    formats=frozenset(SIZES),
    most_photos=10,
    captions=True,
    exact=True,
    progress=True,
    look_up=True,
    cancel="free",
)


class LocalProvider:
    """Renders on this machine.

    Args:
        folder: where operations are kept.
    """

    capabilities = _CAPABILITIES

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, job_id: str, order: Order, photos: list[bytes], callback_url: str | None = None) -> str:
        """See `Provider.start`; the job's id is the operation's, so that starting twice begins one."""
        operation = self._operation(job_id)
        if not operation.is_placed():
            operation.place(order, photos)
        if operation.said() is None:
            self._begin(job_id)
        return job_id

    def look_up(self, job_id: str) -> str | None:
        """See `Provider.look_up`."""
        return job_id if self._operation(job_id).is_placed() else None

    def poll(self, operation_id: str) -> Look:
        """See `Provider.poll`; a renderer that was killed is noticed by its process being gone."""
        said = self._operation(operation_id).said()
        if said is None:
            return Look("lost")
        match said.stage:
            case "done":
                return Look("done", 100)
            case "failed":
                return Look("failed", said.progress, said.error)
            case "rendering":
                return Look("running" if self._is_alive(operation_id, said) else "lost", said.progress)

    def restart(self, operation_id: str) -> None:
        """See `Provider.restart`."""
        self._begin(operation_id)

    def fetch(self, operation_id: str, target: Path) -> None:
        """See `Provider.fetch`."""
        shutil.copyfile(self._operation(operation_id).video, target)

    def cancel(self, operation_id: str) -> None:
        """See `Provider.cancel`."""
        operation = self._operation(operation_id)
        said = operation.said()
        if said is not None and said.stage == "rendering" and self._is_alive(operation_id, said):
            os.kill(said.pid, signal.SIGTERM)
            operation.say("failed", error="canceled")

    def verify_webhook(self, headers: Mapping[str, str], body: bytes, now_s: float) -> Webhook:
        """See `Provider.verify_webhook`."""
        raise BadSignature("Our own renderer does not call back.")

    def _operation(self, operation_id: str) -> Operation:
        return Operation(self._folder / operation_id)

    def _begin(self, operation_id: str) -> None:
        operation = self._operation(operation_id)
        command = [sys.executable, "-m", "ringback_video.rendering", str(operation.folder)]
        with (operation.folder / "renderer.log").open("ab") as log:
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self._children[operation_id] = child
        # said here, for the child needs a moment until it can say anything itself
        operation.say_for(child.pid)

    def _is_alive(self, operation_id: str, said: Said) -> bool:
        child = self._children.get(operation_id)
        if child is not None and child.pid == said.pid:
            return child.poll() is None
        try:
            os.kill(said.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return False  # the number belongs to somebody else by now
        return _runs_renderer(said.pid)


def _runs_renderer(pid: int) -> bool:
    """Process numbers are used again: look whether it is still ours where the system tells."""
    try:
        return b"ringback_video" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return True
