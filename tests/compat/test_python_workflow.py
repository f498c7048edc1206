"""The official Python workflow SDK, unmodified, behind FastAPI and Flask."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.endpoint import eventually
from support.ports import free_port
from support.process import BrokerProcess


@pytest.fixture(scope="module", params=["fastapi", "flask"])
def app(request: pytest.FixtureRequest, broker: BrokerProcess) -> Iterator[str]:
    port = free_port()
    environment = {
        **os.environ,
        "QSTASH_URL": broker.url,
        "QSTASH_TOKEN": broker.token,
        "QSTASH_CURRENT_SIGNING_KEY": broker.current_key,
        "QSTASH_NEXT_SIGNING_KEY": broker.next_key,
    }
    script = Path(__file__).with_name("python_workflows.py")
    command = [sys.executable, str(script), request.param, str(port)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        eventually(lambda: _answers(url))
        yield url
    finally:
        process.kill()
        process.wait(10)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/counts", timeout=1).status_code == 200
    except httpx.HTTPError:
        return False


def start(broker: BrokerProcess, url: str, payload: Any) -> None:
    """Start a run as this SDK is started: by posting to its endpoint, signed, through the broker."""
    headers = {"Authorization": f"Bearer {broker.token}", "Content-Type": "application/json"}
    httpx.post(f"{broker.url}/v2/publish/{url}", headers=headers, json=payload).raise_for_status()


def ended(broker: BrokerProcess, url: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {broker.token}"}

    def over() -> dict[str, Any] | None:
        runs = httpx.get(f"{broker.url}/v2/workflows/logs", headers=headers, params={"workflowUrl": url}).json()["runs"]
        return runs[0] if runs and runs[0]["workflowState"] != "RUN_STARTED" else None

    return eventually(over, 30)  # type: ignore[return-value]


def counts(app: str) -> dict[str, int]:
    return dict(httpx.get(f"{app}/counts").json())


def test_steps_and_a_sleep(app: str, broker: BrokerProcess) -> None:
    start(broker, f"{app}/three", {"n": "ü"})
    run = ended(broker, f"{app}/three")
    assert run["workflowState"] == "RUN_SUCCESS"
    assert "workflowRunResponse" not in run
    assert counts(app)["/three"] == 1 + 4
    outs = [group["steps"][0].get("out") for group in run["steps"]]
    assert outs[1] == "1"
    assert outs[3] is not None
    assert '"a": 1' in outs[3] or '"a":1' in outs[3]


def test_a_call_is_made_by_the_broker(app: str, broker: BrokerProcess) -> None:
    start(broker, f"{app}/call", {})
    run = ended(broker, f"{app}/call")
    assert run["workflowState"] == "RUN_SUCCESS", run
    assert "200" in run["steps"][-1]["steps"][0]["out"]


def test_a_failing_step_reaches_the_failure_function(app: str, broker: BrokerProcess) -> None:
    start(broker, f"{app}/fails", {})
    assert ended(broker, f"{app}/fails")["workflowState"] == "RUN_FAILED"
    eventually(lambda: any(name.startswith("failed 500 bad thing") for name in counts(app)))


def test_a_look_at_it_starts_nothing(app: str, broker: BrokerProcess) -> None:
    headers = {"Authorization": f"Bearer {broker.token}"}
    told = httpx.post(
        f"{broker.url}/v2/preflight", headers=headers, json={"url": f"{app}/three", "workflow": True}
    ).json()
    # this SDK refuses the empty delivery after it has checked the signature, and says so to nobody
    assert told["ok"] is True, told
    assert [(one["subject"], one["state"]) for one in told["findings"]] == [
        ("reachable", "good"),
        ("route", "unknown"),
        ("clock", "good"),
    ]
