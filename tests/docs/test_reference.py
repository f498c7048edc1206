"""The reference is complete: pages made from the code are up to date, and the others name all there is."""

import importlib.util
import inspect
import re
from pathlib import Path
from types import ModuleType

import ringback.client
import ringback.errors
import ringback.workflow
from ringback.wire.header_values import READERS

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"


def _maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference", ROOT / "scripts" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pages_made_from_the_code_are_up_to_date() -> None:
    outdated = [path.name for path, text in _maker().pages().items() if not path.exists() or path.read_text() != text]
    assert outdated == [], "run scripts/reference"


def test_every_message_header_is_explained() -> None:
    page = (REFERENCE / "headers.md").read_text()
    told = {name.lower() for name in re.findall(r"`Upstash-([A-Za-z-]+)`", page)}
    assert {name.lower() for name in READERS} <= told | {"content-type"}


def test_every_public_exception_is_explained() -> None:
    page = (REFERENCE / "errors.md").read_text()
    for module in (ringback.errors, ringback.client, ringback.workflow):
        for name, value in vars(module).items():
            if inspect.isclass(value) and issubclass(value, ringback.errors.RingbackError):
                assert f"`{name}`" in page, name
