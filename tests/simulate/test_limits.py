"""The platform's limits are held, and answered with the platform's status."""

from pathlib import Path

import httpx
import pytest

from ringback.simulate import Severity, Simulation
from ringback.simulate.pytest import Simulate
from support.endpoint import eventually


def working_on(simulation: Simulation) -> list[str]:
    """Return what the one instance is working on."""
    [instance] = simulation.snapshot()["instances"]
    return list(instance["inFlight"]) if instance["state"] == "working" else []


@pytest.mark.parametrize(("name", "status"), [("vercel", 504), ("lambda", 502)])
def test_an_instance_is_killed_with_a_request_that_takes_too_long(
    simulate: Simulate, apps: Path, name: str, status: int
) -> None:
    simulation = simulate(name, "small:app", folder=apps, duration_s=1)
    assert httpx.get(f"{simulation.url}/slow").status_code == status
    eventually(lambda: simulation.snapshot()["instances"] == [])
    assert httpx.get(simulation.url).text == "ok"
    [found] = [one for one in simulation.findings if one.rule == "duration" and one.where == "GET /slow"]
    assert "killed in the middle" in found.what


def test_on_cloud_run_the_instance_works_on_after_the_caller_was_sent_away(simulate: Simulate, apps: Path) -> None:
    simulation = simulate("cloudrun", "small:app", folder=apps, duration_s=0.3)
    assert httpx.get(f"{simulation.url}/slow").status_code == 504
    eventually(lambda: working_on(simulation) == ["GET /slow"])  # its cold start counts, too
    assert "went on unheard" in simulation.findings[0].what


def test_an_api_gateway_gives_up_before_the_function_is_killed(
    simulate: Simulate, apps: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ringback.simulate.platforms.API_GATEWAY_S", 0.3)
    simulation = simulate("lambda", "small:app", folder=apps, front="api-gateway")
    assert httpx.get(f"{simulation.url}/slow").status_code == 503
    eventually(lambda: working_on(simulation) == ["GET /slow"])


def test_work_after_the_last_byte_counts_on_vercel(simulate: Simulate, apps: Path) -> None:
    simulation = simulate("vercel", "small:app", folder=apps, duration_s=0.7)
    assert httpx.get(f"{simulation.url}/after").text == "ok"
    eventually(lambda: simulation.snapshot()["instances"] == [])
    assert "duration" in [one.rule for one in simulation.findings]


def test_a_request_body_at_the_limit_is_taken_and_one_past_it_is_not(simulate: Simulate, apps: Path) -> None:
    simulation = simulate("vercel", "small:app", folder=apps)
    assert httpx.post(f"{simulation.url}/length", content=b"x" * 4_500_000).text == "4500000"
    assert httpx.post(f"{simulation.url}/length", content=b"x" * 4_500_001).status_code == 413
    severities = [one.severity for one in simulation.findings if one.rule == "request-body"]
    assert severities == [Severity.ERROR, Severity.WARNING]


@pytest.mark.parametrize(("name", "status"), [("vercel", 500), ("lambda", 200)])
def test_a_response_body_over_the_limit_gets_the_platforms_status(
    simulate: Simulate, apps: Path, name: str, status: int
) -> None:
    simulation = simulate(name, "small:app", folder=apps)
    assert httpx.get(f"{simulation.url}/large").status_code == status


def test_a_streamed_response_goes_out_as_it_comes_where_the_platform_streams(
    simulate: Simulate, apps: Path, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    simulation = simulate("cloudrun", "small:app", folder=apps, environment={"GO": str(go)})
    with httpx.stream("GET", f"{simulation.url}/stream", timeout=30) as answer:
        parts = answer.iter_raw()
        assert next(parts) == b"first"
        go.touch()
        assert list(parts) == [b"second"]
    on_lambda = simulate("lambda", "small:app", folder=apps, environment={"GO": str(go)})
    assert httpx.get(f"{on_lambda.url}/stream").content == b"firstsecond"


def test_a_stream_that_takes_too_long_is_cut_off(simulate: Simulate, apps: Path, tmp_path: Path) -> None:
    simulation = simulate("vercel", "small:app", folder=apps, environment={"GO": str(tmp_path / "go")}, duration_s=0.3)
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"{simulation.url}/stream", timeout=30)


def test_an_instance_that_takes_too_much_memory_is_killed(simulate: Simulate, apps: Path) -> None:
    simulation = simulate("cloudrun", "small:app", folder=apps, memory_mb=200)
    assert httpx.get(f"{simulation.url}/memory", timeout=60).status_code == 503
    assert "of the 200 it may" in simulation.findings[0].what


def test_an_instance_that_ends_by_itself_is_told(simulate: Simulate, apps: Path) -> None:
    simulation = simulate("vercel", "small:app", folder=apps)
    assert httpx.get(f"{simulation.url}/crash").status_code == 500
    [found] = simulation.findings
    assert (found.rule, "status 3" in found.what) == ("crash", True)


def test_only_the_temporary_folder_can_be_written(simulate: Simulate, apps: Path) -> None:
    simulation = simulate("vercel", "small:app", folder=apps)
    assert httpx.get(f"{simulation.url}/temp").status_code == 200
    assert httpx.get(f"{simulation.url}/write-and-remove").text != "Read-only file system"
    assert httpx.get(f"{simulation.url}/write").text == "Read-only file system"
    [found] = [one for one in simulation.findings if one.rule == "write-outside-temp"]
    assert "small.py" in found.where
    assert not (apps / "written.txt").exists()


def test_where_the_kernel_can_it_holds_child_processes_too(simulate: Simulate, apps: Path) -> None:
    simulation = simulate("lambda", "small:app", folder=apps)
    assert httpx.get(f"{simulation.url}/ticks").status_code == 200
    if simulation.report().guard != "kernel":
        pytest.skip("this kernel has no Landlock")
    assert httpx.get(f"{simulation.url}/write-by-child").text != "0"
    assert not (apps / "written.txt").exists()


def test_a_folder_can_be_allowed(simulate: Simulate, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "keeping.py").write_text("""
import pathlib
async def app(scope, receive, send):
    if scope["type"] == "http":
        pathlib.Path("store", "kept.txt").write_text("x")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})
""")
    simulation = simulate("vercel", "keeping:app", folder=tmp_path, writable=[tmp_path / "store"])
    assert httpx.get(simulation.url).text == "ok"
    assert simulation.findings == []
