"""Every workflow of the catalogue does through every adapter what its file says, with and without results on the response."""

import importlib
import json
import pkgutil

import pytest

from ringback.workflow.definition import ServeOptions
from support.scripted_broker import ScriptedBroker
from workflow import catalogue
from workflow.adapters import ADAPTERS
from workflow.catalogue.entry import Entry

NAMES = sorted(module.name for module in pkgutil.iter_modules(catalogue.__path__) if module.name != "entry")
HOST = "https://shop.test"


def entry_of(name: str) -> Entry:
    entry: Entry = importlib.import_module(f"workflow.catalogue.{name}").ENTRY
    return entry


async def run_through(adapter: str, entry: Entry, broker: ScriptedBroker) -> None:
    name = entry.function.__name__
    workflows = {name: entry.function, **entry.siblings}
    broker.vendor = entry.vendor
    async with ADAPTERS[adapter](workflows, ServeOptions(transport=broker.transport)) as answer:
        broker.endpoints = {f"{HOST}/wf/{one}": answer for one in workflows}
        payload = "https://vendor.test/jobs" if entry.vendor else entry.payload
        run = broker.trigger(f"{HOST}/wf/{name}", payload)
        await broker.drain()
    assert run.errors == []
    assert run.state == entry.state
    assert (None if run.result is None else json.loads(run.result)) == entry.result
    assert sorted(run.names) == sorted(entry.steps)
    assert len(broker.deliveries) == entry.deliveries


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("adapter", ADAPTERS)
async def test_the_workflow_does_what_its_file_says(adapter: str, name: str) -> None:
    await run_through(adapter, entry_of(name), ScriptedBroker())


@pytest.mark.parametrize("name", NAMES)
async def test_it_does_the_same_when_results_ride_on_the_response(name: str) -> None:
    await run_through("fastapi", entry_of(name), ScriptedBroker(takes_results=True))


@pytest.mark.parametrize("name", NAMES)
async def test_it_does_the_same_when_state_is_fetched_lazily(name: str) -> None:
    await run_through("direct", entry_of(name), ScriptedBroker(lazy=True))
