"""`ringback check-deploy` names the runs that new code would break, where, and what helps."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ringback.cli.commands import ringback
from ringback.testing import TestBroker
from ringback.workflow import Context

HEAD = """
from dataclasses import dataclass
from fastapi import FastAPI
from flask import Flask
from mangum import Mangum
from ringback.workflow import Context
from ringback.workflow.adapters import aws_lambda, flask, starlette

done = []
"""
SAME = """
async def order(context: Context[dict]) -> None:
    await context.run("charge", done.append, 1)
    await context.sleep("return period", "14d")
    await context.run("thank", done.append, 2)
"""
REORDERED = SAME.replace('"charge"', '"check stock"')
LATER = SAME.replace('"return period"', '"trial"')
PATCHED = SAME.replace(
    '    await context.run("charge"',
    '    if await context.patched("stock"):\n        await context.run("check stock", done.append, 0)\n'
    '    await context.run("charge"',
)
PAYLOAD = "@dataclass\nclass Order:\n    id: int\n    shop: str\n" + SAME.replace("[dict]", "[Order]")


@pytest.fixture
def broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestBroker]:
    """A broker with one run that sleeps after its first step, delivered to https://workflows.test/order."""

    async def order(context: Context[dict[str, int]]) -> None:
        await context.run("charge", str)
        await context.sleep("return period", "14d")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    with TestBroker() as broker:
        broker.trigger(order, {"id": 7}, run_id="seven")
        broker.run_until_idle()
        yield broker


def check(code: str, name: str = "order", *options: str) -> Result:
    """Run the command on a module with this code."""
    module = f"shop_{abs(hash((code, name)))}"
    Path(f"{module}.py").write_text(HEAD + code)
    result = CliRunner().invoke(ringback, ["check-deploy", f"{module}:{name}", *options])
    assert not hasattr(sys.modules.get(module), "done") or sys.modules[module].done == [], "a step was done"
    return result


@pytest.mark.parametrize("code", [SAME, PATCHED], ids=["unchanged", "guarded by a marker"])
def test_code_that_fits_is_let_through(code: str, broker: TestBroker) -> None:
    result = check(code)
    assert result.exit_code == 0, result.output
    assert result.output == "1 run in flight: 1 go on, 0 would break.\n"


@pytest.mark.parametrize(
    ("code", "step", "why", "helps"),
    [
        (
            REORDERED,
            1,
            "step 1 of this run's history is 'charge' (Run), but the code asks for 'check stock'",
            "patched",
        ),
        (LATER, 2, "the run waits for step 'return period', but the code goes on with 'trial'", "patched"),
        (PAYLOAD, None, "shop", "defaults?"),
    ],
    ids=["a step before", "a sleep renamed", "a field more in the payload"],
)
def test_a_run_that_would_break_is_named_with_the_step_and_what_helps(
    code: str, step: int | None, why: str, helps: str, broker: TestBroker
) -> None:
    result = check(code)
    assert result.exit_code == 1
    assert "1 run in flight: 0 go on, 1 would break." in result.output
    assert "wfr_seven" in result.output
    assert (f"at step {step}" in result.output) == (step is not None)
    assert why in result.output
    assert "What helps:" in result.output
    told: dict[str, Any] = json.loads(check(code, "order", "--json").stdout)
    (wrong,) = told["wouldBreak"]
    assert (wrong["workflowRunId"], wrong["step"], wrong["workflowUrl"]) == (
        "wfr_seven",
        step,
        "https://workflows.test/order",
    )


APPS = {
    "fastapi": 'app = FastAPI()\nstarlette.serve(app, "/order", order)\n',
    "flask": 'app = Flask("app")\nflask.serve(app, "/order", order)\n',
    "lambda": 'app = aws_lambda.serve_many({"order": order})\n',
    "mangum": 'web = FastAPI()\nstarlette.serve(web, "/order", order)\n'
    'def app(event, context): return Mangum(web, lifespan="off")(event, context)\n',
}


@pytest.mark.parametrize("framework", APPS)
def test_an_application_is_checked_as_it_serves_its_workflows(framework: str, broker: TestBroker) -> None:
    assert check(SAME + APPS[framework], "app").exit_code == 0
    changed = check(REORDERED + APPS[framework], "app")
    assert changed.exit_code == 1
    assert "at step 1" in changed.output
    moved = check(SAME + APPS[framework].replace('order"', 'orders"'), "app")
    assert moved.exit_code == 1
    assert "no workflow is served at https://workflows.test/order any more (status 404)" in moved.output
    assert "keep serving the workflow at this path" in moved.output


def test_runs_of_other_workflows_are_left_out_or_asked_about(broker: TestBroker) -> None:
    async def other(context: Context[None]) -> None:
        await context.sleep("a day", "1d")

    broker.trigger(other)
    broker.run_until_idle()
    asked = check(SAME)
    assert asked.exit_code == 2
    assert "--url" in asked.output
    assert "https://workflows.test/other" in asked.output
    assert check(SAME, "order", "--url", "https://workflows.test/order").exit_code == 0


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("shop", "expected MODULE:NAME"),
        ("no_such_module:order", "there is no module 'no_such_module'"),
        ("json:order", "module 'json' has no 'order'"),
        ("json:__name__", "expected ASGI, WSGI or a Lambda handler, or a workflow"),
    ],
)
def test_what_is_no_workflow_is_refused(target: str, says: str, broker: TestBroker) -> None:
    result = CliRunner().invoke(ringback, ["check-deploy", target])
    assert result.exit_code == 2
    assert says in result.output
