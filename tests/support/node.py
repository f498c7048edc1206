"""The official JavaScript clients, run by Node.js."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from support.endpoint import eventually
from support.npm import require_packages
from support.process import BrokerProcess

ENDED = ("RUN_SUCCESS", "RUN_FAILED", "RUN_CANCELED")
FOLDER = Path(__file__).parents[1] / "compat" / "node"


def require_clients() -> None:
    """Install the clients where they are missing."""
    require_packages(FOLDER, "the official JavaScript clients")


def run_script(name: str, environment: dict[str, str]) -> dict[str, Any]:
    """Run a script to its end and return the JSON object it prints."""
    done = subprocess.run(
        ["node", name],
        cwd=FOLDER,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


@dataclass
class Workflows:
    """An Express application with workflows in the official SDK, and that SDK's client."""

    url: str
    process: "subprocess.Popen[str]"

    def call(self, *path: str, args: list[Any]) -> Any:
        """Call a method of the SDK's client and return its result."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps({"path": path, "args": args}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert "error" not in answer, answer
        return answer.get("value")


@contextmanager
def workflows(broker: BrokerProcess, script: str = "workflows.mjs", **environment: str) -> Iterator[Workflows]:
    """Run the application for the length of a block, its deliveries signed."""
    settings = {
        **os.environ,
        "QSTASH_URL": broker.url,
        "QSTASH_TOKEN": broker.token,
        "QSTASH_CURRENT_SIGNING_KEY": broker.current_key,
        "QSTASH_NEXT_SIGNING_KEY": broker.next_key,
        **environment,
    }
    process = subprocess.Popen(
        ["node", script],
        cwd=FOLDER,
        env=settings,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    try:
        yield Workflows(process.stdout.readline().strip(), process)
    finally:
        process.stdin.close()
        process.kill()
        process.wait(10)
        process.stdout.close()


def trigger(app: Workflows, name: str, **options: Any) -> str:
    """Start a run with the SDK's client and return its id."""
    return str(app.call("trigger", args=[{"url": f"{app.url}/{name}", **options}])["workflowRunId"])


def log(app: Workflows, run_id: str) -> dict[str, Any]:
    """Return the log of a run."""
    runs = app.call("logs", args=[{"filter": {"workflowRunId": run_id}}])["runs"]
    return dict(runs[0]) if runs else {}


def ended(app: Workflows, run_id: str) -> dict[str, Any]:
    """Return the log of a run once it has ended."""

    def over() -> dict[str, Any] | None:
        run = log(app, run_id)
        return run if run.get("workflowState") in ENDED else None

    return eventually(over, 40)  # type: ignore[return-value]


def requests(app: Workflows, name: str) -> int:
    """Return how many requests a workflow was sent."""
    return int(httpx.get(f"{app.url}/counts").json()["counts"].get(name, 0))
