"""Every Python example in the docs runs, page by page; a page's workflows are run where it says so.

The blocks of a page share one namespace and may await at the top level, with a broker at `QSTASH_URL`. A comment

    <!-- run: order {"id": 7} = "sent" -->

starts the workflow `order` of that page with that payload and expects that result; `fails` in place of a result expects the run
to fail. Functions named `test_...` are called. With a comment

    <!-- fails: test_name -->

before a text block, that test has to fail with exactly that text.
"""

import ast
import asyncio
import inspect
import json
import re
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ringback.client import AsyncTransport
from ringback.workflow.definition import ServeOptions, Workflow
from ringback.workflow.many import Endpoints
from support.process import running
from support.scripted_broker import ScriptedBroker

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
RUN = re.compile(r"<!-- run: (\w+) (.*?) = (.*?) -->")
FAILS = re.compile(r"<!-- fails: (\w+) -->\n```text\n(.*?)```", re.DOTALL)
PAGES = [
    page for page in sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]) if BLOCK.search(page.read_text())
]


@pytest.fixture(scope="module", autouse=True)
def environment() -> Iterator[None]:
    """Point the examples to a broker of their own."""
    with running() as broker, pytest.MonkeyPatch.context() as patch:
        patch.setenv("QSTASH_URL", broker.url)
        patch.setenv("QSTASH_TOKEN", broker.token)
        patch.setenv("QSTASH_CURRENT_SIGNING_KEY", broker.current_key)
        patch.setenv("QSTASH_NEXT_SIGNING_KEY", broker.next_key)
        yield


async def execute(page: Path) -> dict[str, Any]:
    """Run the blocks of a page and return what they define."""
    module = types.ModuleType("page")
    text = page.read_text()
    for block in BLOCK.finditer(text):
        line = text[: block.start(1)].count("\n")
        tree = ast.parse(block.group(1), str(page))
        ast.increment_lineno(tree, line)
        code = compile(tree, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        awaited = eval(code, module.__dict__)
        if inspect.isawaitable(awaited):
            await awaited
    return module.__dict__


async def call_tests(names: dict[str, Any], fails: dict[str, str]) -> None:
    """Call the tests of a page; those that are to fail must do so with the text of the page."""
    for name, test in names.items():
        if not name.startswith("test_"):
            continue
        if name in fails:
            with pytest.raises(AssertionError) as caught:
                await asyncio.to_thread(test)
            assert str(caught.value).rstrip() == fails[name]
        else:
            await asyncio.to_thread(test)


def workflows_of(names: dict[str, Any]) -> dict[str, Any]:
    """Return the page's workflows by name."""
    return {name: value for name, value in names.items() if isinstance(value, Workflow) or _takes_context(value)}


def _takes_context(value: object) -> bool:
    return inspect.isfunction(value) and list(inspect.signature(value).parameters) == ["context"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
async def test_the_examples_of_the_page_run(page: Path) -> None:
    names = await execute(page)
    for name, payload, expected in RUN.findall(page.read_text()):
        broker = ScriptedBroker()
        broker.vendor = lambda url, headers, body: (200, '{"id": "job-1", "content": [{"text": "hello"}]}')
        workflows = workflows_of(names)
        endpoints = Endpoints(workflows, ServeOptions(transport=broker.transport))
        broker.endpoints = {f"https://shop.test/wf/{each}": endpoints.answer for each in workflows}
        run = broker.trigger(f"https://shop.test/wf/{name}", payload)
        run.retries = 0
        await broker.drain()
        if expected == "fails":
            assert run.state == "RUN_FAILED", name
        else:
            assert run.errors == [], name
            assert json.loads(run.result or "null") == json.loads(expected), name
    await call_tests(names, {name: text.rstrip() for name, text in FAILS.findall(page.read_text())})
    for value in names.values():
        if isinstance(value, AsyncTransport):
            await value.close()
    await asyncio.sleep(0)


def test_there_are_pages_with_examples() -> None:
    assert ROOT / "docs" / "concepts.md" in PAGES
