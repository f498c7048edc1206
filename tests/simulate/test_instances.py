"""Instances start on demand, stand still without a request, share or do not share requests, and end."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from ringback.simulate.pytest import Simulate
from support.endpoint import eventually


def state(simulation: Any) -> list[str]:
    return [one["state"] for one in simulation.snapshot()["instances"]]


def test_an_instance_starts_with_the_first_request_and_is_frozen_after_it(simulate: Simulate, apps: Path) -> None:
    simulation = simulate("vercel", "small:app", folder=apps)
    assert simulation.snapshot()["instances"] == []
    pid = int(httpx.get(f"{simulation.url}/pid").text)
    eventually(lambda: state(simulation) == ["frozen"])
    eventually(lambda: psutil.Process(pid).status() == psutil.STATUS_STOPPED)
    assert httpx.get(f"{simulation.url}/pid").text == str(pid)
    assert simulation.snapshot()["coldStarts"] == 1


def test_a_loop_does_not_run_on_while_frozen(simulate: Simulate, apps: Path) -> None:
    simulation = simulate("lambda", "small:app", folder=apps)
    httpx.get(f"{simulation.url}/background")
    eventually(lambda: state(simulation) == ["frozen"])
    eventually(lambda: simulation.snapshot()["instances"][0]["aliveSeconds"] > 1)
    ticks = int(httpx.get(f"{simulation.url}/ticks").text)
    [instance] = simulation.snapshot()["instances"]
    assert instance["aliveSeconds"] - instance["awakeSeconds"] > 0.5
    assert ticks <= instance["awakeSeconds"] * 100 + 20  # one each 10 ms while it could run


@pytest.mark.parametrize(("name", "instances"), [("lambda", 3), ("cloudrun", 1)])
def test_requests_at_once_get_an_instance_each_or_share_one(
    simulate: Simulate, apps: Path, name: str, instances: int
) -> None:
    simulation = simulate(name, "small:app", folder=apps, duration_s=20)
    with ThreadPoolExecutor(3) as pool:
        slow = [pool.submit(httpx.get, f"{simulation.url}/slow", timeout=60) for _ in range(3)]
        eventually(lambda: state(simulation) == ["working"] * instances)
        eventually(lambda: sum(len(one["inFlight"]) for one in simulation.snapshot()["instances"]) == 3)
        simulation.kill()
        assert [one.result().status_code for one in slow] == [502] * 3


def test_a_request_without_a_free_instance_is_refused(simulate: Simulate, apps: Path) -> None:
    simulation = simulate("lambda", "small:app", folder=apps, instances=1)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(httpx.get, f"{simulation.url}/slow", timeout=60)
        eventually(lambda: state(simulation) == ["working"])
        assert httpx.get(simulation.url).status_code == 429
        simulation.kill()
        slow.result()
    assert [one.rule for one in simulation.findings] == ["no-instance"]


def test_on_cloud_run_it_waits_for_one(simulate: Simulate, apps: Path) -> None:
    simulation = simulate("cloudrun", "small:app", folder=apps, instances=1, concurrency=1, queue_s=30)
    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(httpx.get, f"{simulation.url}/slow", timeout=60)
        eventually(lambda: state(simulation) == ["working"])
        waiting = pool.submit(httpx.get, simulation.url, timeout=60)
        simulation.kill()
        assert slow.result().status_code == 502
        assert waiting.result().text == "ok"


def test_an_idle_instance_ends(simulate: Simulate, apps: Path) -> None:
    simulation = simulate("vercel", "small:app", folder=apps, idle_s=0.1)
    httpx.get(simulation.url)
    eventually(lambda: state(simulation) == [])


def test_after_a_redeploy_new_requests_run_the_new_code_and_old_ones_finish(simulate: Simulate, tmp_path: Path) -> None:
    code = """
import asyncio, pathlib
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    while scope["path"] == "/wait" and not pathlib.Path("go").exists():
        await asyncio.sleep(0.01)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"old"})
"""
    (tmp_path / "versioned.py").write_text(code)
    simulation = simulate("vercel", "versioned:app", folder=tmp_path)
    with ThreadPoolExecutor(1) as pool:
        old = pool.submit(httpx.get, f"{simulation.url}/wait", timeout=60)
        eventually(lambda: state(simulation) == ["working"])
        (tmp_path / "versioned.py").write_text(code.replace("old", "new"))
        assert httpx.post(f"{simulation.url}/_sim/redeploy").json() == {"ok": True}
        assert httpx.get(simulation.url).text == "new"
        assert "working, replaced" in state(simulation)
        (tmp_path / "go").touch()
        assert old.result().text == "old"
    eventually(lambda: state(simulation) == ["frozen"])


def test_an_application_that_does_not_start_is_told_with_its_own_words(simulate: Simulate, tmp_path: Path) -> None:
    (tmp_path / "unfinished.py").write_text("raise RuntimeError('DATABASE_URL is not set')")
    simulation = simulate("vercel", "unfinished:app", folder=tmp_path)
    assert httpx.get(simulation.url).status_code == 500
    [found] = simulation.findings
    assert (found.rule, "DATABASE_URL is not set" in found.what) == ("start", True)
    assert found.where.endswith("ended before it took a request")


def test_the_environment_is_the_platforms_and_yours(simulate: Simulate, apps: Path) -> None:
    simulation = simulate("vercel", "small:app", folder=apps, environment={"SHOP": " at {url}"})
    host = simulation.url.removeprefix("http://")
    assert httpx.get(f"{simulation.url}/environment").text == f"1{host} at {simulation.url}"
