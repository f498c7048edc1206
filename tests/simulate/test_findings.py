"""What would go wrong in production is said in words, with its place and a remedy."""

from importlib.metadata import distribution
from pathlib import Path

import httpx
import pytest

from ringback.simulate import Severity
from ringback.simulate.findings import Life
from ringback.simulate.ledger import Ledger
from ringback.simulate.pytest import Simulate
from support.endpoint import eventually, listening


def frozen(simulation: object) -> bool:
    instances = simulation.snapshot()["instances"]  # type: ignore[attr-defined]
    return bool(instances) and all(one["state"] == "frozen" for one in instances)


def test_a_well_behaved_application_has_no_findings(simulate: Simulate, apps: Path) -> None:
    for name in ("vercel", "lambda", "cloudrun"):
        simulation = simulate(name, "small:app", folder=apps)
        httpx.get(simulation.url)
        httpx.post(f"{simulation.url}/length", content=b"x" * 1000)
        eventually(lambda one=simulation: frozen(one))
        assert simulation.findings == []
        assert simulation.report().exit_status == 0
        assert "Nothing was seen" in simulation.report().words()


def test_packages_that_are_packed_beside_the_application_are_not_taken_for_it(
    simulate: Simulate, apps: Path, tmp_path: Path
) -> None:
    """As `pip install --target` lays a bundle out for Lambda."""
    for package in ("uvicorn", "httptools", "h11", "anyio", "idna", "starlette", "click", "typing_extensions"):
        for path in {part.parts[0] for part in distribution(package).files or () if ".." not in part.parts}:
            (tmp_path / path).symlink_to(Path(str(distribution(package).locate_file(path))).absolute())
    (tmp_path / "small.py").write_text((apps / "small.py").read_text())
    simulation = simulate("lambda", "small:app", folder=tmp_path, environment={"PYTHONPATH": str(tmp_path)})
    for path in ("", "/background"):
        httpx.get(f"{simulation.url}{path}")
        eventually(lambda: frozen(simulation))
    [found] = simulation.findings
    assert "small.py" in found.where


def test_work_left_behind_is_found_with_its_place(simulate: Simulate, apps: Path) -> None:
    simulation = simulate("lambda", "small:app", folder=apps)
    for path in ("/background", "/thread", "/child"):
        httpx.get(f"{simulation.url}{path}")
        eventually(lambda: frozen(simulation))
        simulation.kill()
    told = {one.rule + one.what[:9]: one for one in simulation.findings}
    assert "small.py" in told["work-after-responsea task wa"].where
    assert "in tick, after GET /background" in told["work-after-responsea task wa"].where
    assert "GET /thread" in told["work-after-responsea thread "].where
    assert "time.sleep(60)" in told["process-after-responsea child p"].where
    assert simulation.report().exit_status == 20


def test_a_background_task_after_the_response_is_found_where_it_does_not_count(simulate: Simulate, apps: Path) -> None:
    on_lambda = simulate("lambda", "small:app", folder=apps)
    on_vercel = simulate("vercel", "small:app", folder=apps)
    for simulation in (on_lambda, on_vercel):
        assert httpx.get(f"{simulation.url}/after").text == "ok"
        eventually(lambda one=simulation: frozen(one))
    assert [one.rule for one in on_lambda.findings] == ["work-after-response"]
    assert on_vercel.findings == []  # the instance stays until the application returns


def test_a_loop_that_began_with_the_instance_starves(simulate: Simulate, apps: Path) -> None:
    simulation = simulate("cloudrun", "small:consumer", folder=apps)
    httpx.get(simulation.url)
    eventually(lambda: simulation.snapshot()["instances"][0]["aliveSeconds"] > 1)
    [found] = simulation.findings
    assert (found.rule, found.severity) == ("starved-loop", Severity.ERROR)
    assert "in tick" in found.where


def test_state_that_another_instance_does_not_see_is_found(simulate: Simulate, apps: Path) -> None:
    simulation = simulate("vercel", "small:app", folder=apps)
    httpx.get(f"{simulation.url}/order")
    simulation.redeploy()
    assert httpx.get(f"{simulation.url}/orders").text == "0"
    eventually(lambda: frozen(simulation))
    [found] = simulation.findings
    assert (
        found.what == "small.orders was changed by GET /order in instance 1; instance 2 answered GET /orders without it"
    )


def test_a_connection_used_across_a_freeze_is_found(simulate: Simulate, apps: Path) -> None:
    with listening() as peer:
        port = peer.url.rpartition(":")[2]
        simulation = simulate("lambda", "small:app", folder=apps, environment={"PEER": port})
        httpx.get(f"{simulation.url}/connect")
        eventually(lambda: frozen(simulation))
        assert simulation.findings == []
        httpx.get(f"{simulation.url}/connect")
        eventually(lambda: simulation.findings)
        simulation.kill()
    [found] = simulation.findings
    assert (found.rule, found.where) == ("connection-across-freeze", f"to 127.0.0.1:{port}, in GET /connect")


def test_what_one_package_does_by_itself_is_one_finding() -> None:
    ledger = Ledger()
    work = [
        {
            "what": "task",
            "id": line,
            "where": f"bullmq/worker.py:{line} in run",
            "own": False,
            "packages": ["bullmq", "redis"],
        }
        for line in (1, 2)
    ]
    ledger.started("instance 1", work, {})
    ledger.ended("instance 1", "GET /", {"work": work, "connections": {}, "state": {}})
    [found] = ledger.findings({"instance 1": Life(10, 0.5, 2)})
    assert found.what == (
        "a worker of bullmq starved: an instance without a request is frozen, which happened 2 times; "
        "it ran for 0.5 of 10.0 s. The jobs in its queue stay waiting"
    )


@pytest.mark.parametrize(("requests", "rule"), [(2, "work-after-response"), (5, "starved-loop")])
def test_a_task_that_outlives_many_requests_is_a_loop_and_one_that_outlives_a_few_is_not(
    requests: int, rule: str
) -> None:
    ledger = Ledger()
    for number in range(requests):
        one = {"what": "task", "id": 1, "where": "shop.py:1 in tick", "own": True, "packages": []}
        other = one | {"id": 100 + number, "where": "shop.py:9 in mail"}
        ledger.ended("instance 1", "GET /", {"work": [one, other], "connections": {}, "state": {}})
    assert [one.rule for one in ledger.findings({})] == [rule, "work-after-response"]
