"""What stands in the deployment files exists: settings, commands, routes."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ringback.broker.settings import DEVELOPMENT_TENANTS
from ringback.cli.commands import COMMANDS
from ringback.cli.setting_list import SETTINGS

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
STUDIO = DEPLOY / "studio"
FILES = [
    path for path in sorted(DEPLOY.rglob("*")) if path.is_file() and "studio" not in path.relative_to(DEPLOY).parts
]
YAML = [path for path in FILES if path.suffix in (".yaml", ".yml")]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_names_only_settings_and_commands_that_exist(path: Path) -> None:
    text = path.read_text()
    assert set(re.findall(r"\b(?:RINGBACK|QSTASH)_[A-Z_]+", text)) <= {setting.name for setting in SETTINGS}
    commands = re.findall(r"(?:`|/bin/)ringback ([a-z-]+)", text)
    assert set(commands) <= COMMANDS.keys()
    assert not any(one.token in text for one in DEVELOPMENT_TENANTS)


@pytest.mark.parametrize("path", YAML, ids=lambda path: path.name)
def test_probes_ask_for_routes_that_exist(path: Path) -> None:
    documents = list(yaml.safe_load_all(path.read_text()))
    assert documents
    for probe in _found(documents, "httpGet"):
        assert probe["path"] in ("/healthz", "/readyz")


def test_the_image_runs_without_root() -> None:
    lines = (DEPLOY / "docker" / "Dockerfile").read_text().splitlines()
    assert lines.index("USER 10001") < lines.index('CMD ["ringback", "serve"]')


def test_the_image_of_studio_runs_without_root_and_is_asked_for_its_health() -> None:
    lines = (STUDIO / "Dockerfile").read_text().splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith("CMD "))
    assert lines.index("USER 10001") < start
    assert "video-studio serve" in lines[start]
    assert any(line.startswith("HEALTHCHECK ") for line in lines[:start])
    route = re.search(r"/api/[a-z]+(?=`|\')", "\n".join(lines))
    assert route
    sources = (ROOT / "apps/video/src/ringback_video/api").glob("*.py")
    assert any(f'"{route[0]}"' in source.read_text() for source in sources)


def test_platforms_are_told_of_entry_files_that_exist() -> None:
    functions = json.loads((STUDIO / "vercel" / "vercel.json").read_text())["functions"]
    assert all((STUDIO / "vercel" / name).is_file() for name in functions)
    handler = re.search(r"^ +Handler: (\w+)\.(\w+)$", (STUDIO / "lambda" / "template.yaml").read_text(), re.MULTILINE)
    assert handler
    assert f"{handler[2]} = " in (STUDIO / "lambda" / f"{handler[1]}.py").read_text()


def _found(value: Any, name: str) -> list[Any]:
    if isinstance(value, dict):
        own = [value[name]] if name in value else []
        return own + [one for part in value.values() for one in _found(part, name)]
    if isinstance(value, list):
        return [one for part in value for one in _found(part, name)]
    return []
