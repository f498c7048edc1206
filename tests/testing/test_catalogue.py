"""The workflows of our own catalogue pass the crash matrix: whatever goes wrong, each ends as its file says."""

import importlib
import pkgutil
from collections.abc import Callable
from typing import Any

import pytest

from ringback.testing import Answer, TestBroker, crash_matrix
from ringback.testing.answers import Asked
from workflow import catalogue
from workflow.catalogue.entry import Entry

NAMES = sorted(module.name for module in pkgutil.iter_modules(catalogue.__path__) if module.name != "entry")
VENDOR = "https://vendor.test/jobs"


def vendor_of(entry: Entry) -> Callable[[Asked], Answer]:
    def answer(asked: Asked) -> Answer:
        assert entry.vendor is not None
        status, text = entry.vendor(
            asked.url.removeprefix("https://vendor.test"), dict(asked.headers), asked.body.decode()
        )
        return Answer(status, text, {"Content-Type": "application/json"})

    return answer


@pytest.mark.parametrize("name", NAMES)
def test_it_ends_as_its_file_says_whatever_goes_wrong(name: str) -> None:
    entry: Entry = importlib.import_module(f"workflow.catalogue.{name}").ENTRY

    def scene(broker: TestBroker) -> Callable[[], Any]:
        for sibling, function in entry.siblings.items():
            broker.serve(function, name=sibling)
        if entry.vendor:
            broker.stub("https://vendor.test", vendor_of(entry))
        run = broker.trigger(entry.function, VENDOR if entry.vendor else entry.payload)
        return lambda: (run.state, run.result, sorted(step.name for step in run.steps))

    report = crash_matrix(scene)
    assert report.calm.end == (entry.state, entry.result, sorted(entry.steps))
    assert len(report.endings) >= 2
