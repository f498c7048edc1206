"""The main job, shown: starts a broker and Studio, orders a sample video, and tells how it goes until the video is there."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from ringback_video.settings import PHOTOS

_STARTED_WITHIN_S = 30.0
_LOOK_EVERY_S = 0.5
_FINISHED_WITHIN_S = 300.0
_WORDS = {
    "": "queued",
    "update-status": "work has begun",
    "generate-video": "photos fetched, rendering started",
    "poll-completion": "rendering",
    "save-result": "saved",
}


class DemoFailed(Exception):
    """The demonstration came to a bad end; the text says why."""


def run(data: str, template: str, *, keep: bool) -> int:
    """Run the demonstration; return the exit status.

    Args:
        data: folder for everything that is kept.
        template: which template the sample uses.
        keep: whether the servers stay up until Ctrl-C.
    """
    folder = Path(data).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with contextlib.ExitStack() as stack:
            broker_process, broker = stack.enter_context(_broker(folder))
            studio_process, url = stack.enter_context(_studio(folder, broker))
            console = f"{broker['QSTASH_URL']}/console"
            print(f"broker        {broker['QSTASH_URL']}\nits console   {console}\nVideo Studio  {url}\n", flush=True)
            video = _order(url, template)
            print(f"\nfinished: {url}/videos/{video}", flush=True)
            if keep:
                look_after(_environment(folder, broker, url))
                print(f"\nThe page: {url}    (Ctrl-C stops everything)", flush=True)
                stay_up({"the broker": broker_process, "Video Studio": studio_process})
            print(folder / "videos" / video, flush=True)
    except KeyboardInterrupt:
        print("\nstopped", flush=True)
    except DemoFailed as error:
        print(f"\nfailed: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


def look_after(environment: Mapping[str, str]) -> None:
    """Have the broker call Studio every minute, so that no film stays unfinished unnoticed.

    Args:
        environment: of Studio.

    Raises:
        DemoFailed: the broker could not be told.
    """
    command = [sys.executable, "-m", "ringback_video", "watch"]
    told = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=_STARTED_WITHIN_S, check=False
    )
    if told.returncode:
        raise DemoFailed(told.stderr.strip())


def stay_up(servers: Mapping[str, "subprocess.Popen[str]"]) -> None:
    """Wait as long as all servers run.

    Args:
        servers: by the name that a person knows each by.

    Raises:
        DemoFailed: one of them has ended by itself.
    """
    while True:
        for name, process in servers.items():
            if process.poll() is not None:
                raise DemoFailed(f"{name} has ended by itself; start again, what is under way goes on")
        time.sleep(_LOOK_EVERY_S)


def kept_port(folder: Path) -> int:
    """Return the port that Studio had before in this folder, if nobody else has it now, else a free one.

    Runs under way are delivered to the address they were started with, and photos are known by it.
    """
    note = folder / "port"
    known = note.read_text().strip() if note.is_file() else ""
    for port in (int(known) if known.isdigit() else 0, 0):
        with socket.socket() as free, contextlib.suppress(OSError, OverflowError):
            free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of before may still be closing
            free.bind(("127.0.0.1", port))
            found = int(free.getsockname()[1])
            note.write_text(f"{found}\n")
            return found
    raise DemoFailed("no port is free")


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


@contextlib.contextmanager
def _broker(folder: Path) -> Iterator[tuple["subprocess.Popen[str]", dict[str, str]]]:
    """Start a development broker; what it prints are the settings to reach it with."""
    command = [sys.executable, "-m", "ringback", "dev", "--port", "0", "--db", str(folder / "ringback.db")]
    with _process(command, dict(os.environ), stdout=subprocess.PIPE) as process:
        told: dict[str, str] = {}
        for line in process.stdout or ():
            name, separator, value = line.strip().partition("=")
            if separator and name.startswith("QSTASH_"):
                told[name] = value
            if name == "QSTASH_NEXT_SIGNING_KEY":
                break
        else:
            raise DemoFailed("the broker did not start")
        yield process, told


@contextlib.contextmanager
def _studio(folder: Path, broker: dict[str, str]) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """Start Studio and wait until it answers."""
    port = kept_port(folder)
    url = f"http://127.0.0.1:{port}"
    environment = _environment(folder, broker, url)
    command = [sys.executable, "-m", "ringback_video", "serve", "--port", str(port)]
    with _process(command, environment) as process:
        end = time.monotonic() + _STARTED_WITHIN_S
        while not _answers(url):
            if process.poll() is not None or time.monotonic() > end:
                raise DemoFailed("Video Studio did not start")
            time.sleep(0.05)
        yield process, url


def _environment(folder: Path, broker: Mapping[str, str], url: str) -> dict[str, str]:
    return {**os.environ, **broker, "STUDIO_DATA": str(folder), "STUDIO_URL": url}


@contextlib.contextmanager
def _process(
    command: list[str], environment: dict[str, str], stdout: int | None = None
) -> Iterator["subprocess.Popen[str]"]:
    """Run a server for the length of a block; Ctrl-C reaches us first, and we stop it."""
    environment |= {"PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command, env=environment, stdout=stdout, text=True, start_new_session=True)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)
        if process.stdout:
            process.stdout.close()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/api/templates", timeout=1.0).status_code == 200
    except httpx.HTTPError:
        return False


def _order(url: str, template: str) -> str:
    """Order a video as the page does, tell how it goes, and return the name of its file."""
    photos = [f"{url}/photos/{path.name}" for path in sorted(PHOTOS.glob("*.jpg"))]
    order = {"shopId": "demo-shop", "templateId": template, "sourceImageUrls": photos}
    answer = httpx.post(f"{url}/api/generate", json=order, timeout=10.0)
    if answer.status_code != 202:
        raise DemoFailed(answer.json()["detail"])
    job_id = answer.json()["jobId"]
    print(f"job {job_id} from {len(photos)} photos", flush=True)
    progress = _Progress()
    for job in _follow(url, job_id):
        progress.show(job)
        if job["status"] == "done":
            return str(job["videoUrl"]).rpartition("/")[2]
        if job["status"] in ("failed", "canceled"):
            raise DemoFailed(job.get("reason") or f"the job was {job['status']}")
    raise DemoFailed(f"the job was not finished within {_FINISHED_WITHIN_S:g} s")


def _follow(url: str, job_id: str) -> Iterator[dict[str, Any]]:
    """Yield the job each time it changes."""
    timeout = httpx.Timeout(_FINISHED_WITHIN_S, connect=5.0)
    with httpx.stream("GET", f"{url}/api/jobs/{job_id}/events", timeout=timeout) as response:
        for line in response.iter_lines():
            if line.startswith("data: "):
                yield json.loads(line.removeprefix("data: "))


class _Progress:
    """A bar that is redrawn on a terminal, and a line for each step elsewhere."""

    def __init__(self) -> None:
        self._step = "none"
        self._begun = time.monotonic()
        self._redraws = sys.stdout.isatty()

    def show(self, job: dict[str, Any]) -> None:
        """Show how far a job is."""
        step = job["step"] if job["status"] != "queued" else ""
        filled = job["progress"] * 30 // 100
        bar = "█" * filled + "░" * (30 - filled)
        line = f"  {bar} {job['progress']:3} %  {job['status']:<10} {_WORDS.get(step, step)}"
        if self._redraws:
            new_line = "\n" if self._step not in (step, "none") else "\r"
            print(f"{new_line}{line:<78} {time.monotonic() - self._begun:5.1f} s", end="", flush=True)
        elif step != self._step or job["status"] == "done":
            print(line, flush=True)
        self._step = step
