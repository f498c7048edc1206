"""What is published is what works: the wheel and the source archive are built, and the wheel is installed and used."""

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
from pathlib import Path

import httpx
import pytest

from ringback import __version__
from support.endpoint import listening
from support.process import BrokerProcess, start

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build both archives; the wheel is made from the source archive, so nothing can be missing there."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return folder


@pytest.fixture(scope="module")
def installed(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into an environment of its own; its dependencies are those of this one."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    [wheel] = dist.glob("*.whl")
    python = folder / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*install, str(wheel)], check=True, timeout=120)
    [packages] = folder.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"])
    return python


def test_the_command_tells_its_version(installed: Path) -> None:
    said = subprocess.run([installed.with_name("ringback"), "--version"], check=True, capture_output=True, text=True)
    assert said.stdout.strip() == f"ringback, version {__version__}"


def test_a_message_is_delivered_by_what_was_installed(installed: Path) -> None:
    place = "import ringback, sys; sys.exit('site-packages' not in ringback.__file__)"
    subprocess.run([installed, "-c", place], check=True, cwd="/")
    with listening() as endpoint:
        broker: BrokerProcess = start(python=str(installed))
        try:
            bearer = {"Authorization": f"Bearer {broker.token}"}
            httpx.post(
                f"{broker.url}/v2/publish/{endpoint.url}/in", headers=bearer, content=b"hello"
            ).raise_for_status()
            assert endpoint.wait_for(1)[0].body == b"hello"
        finally:
            broker.process.terminate()
            broker.process.wait(20)
            assert broker.process.stdout
            broker.process.stdout.close()


def test_the_sdk_alone_needs_nothing_of_the_server(installed: Path) -> None:
    """What a serverless bundle carries: the base package and httpx."""
    hidden = ("apsw", "click", "httptools", "msgspec", "rich", "starlette", "flask", "django", "uvloop", "pydantic")
    check = (
        f"import sys\nfor name in {hidden!r}: sys.modules[name] = None\n"
        "import ringback.workflow, ringback.client, ringback.workflow.adapters.aws_lambda, ringback.workflow.adapters.vercel"
    )
    subprocess.run([installed, "-c", check], check=True, cwd="/", env={**os.environ, "PYTHONPATH": ""})


def test_the_source_archive_has_what_builds_and_explains_it(dist: Path) -> None:
    [archive] = dist.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    assert {"README.md", "LICENSE", "CHANGELOG.md", "pyproject.toml", "src/ringback/py.typed"} <= names
    assert not [name for name in names if name.startswith(("tests", "apps", "data"))]
