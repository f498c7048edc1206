"""The deployment files are what those who read them take: Docker, Compose, Kubernetes, systemd, Prometheus."""

import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

compose_spec, kubernetes_validate = import_module("compose_spec"), import_module("kubernetes_validate")  # untyped

DEPLOY = Path(__file__).parents[2] / "deploy"
BIN = Path(sys.executable).parent
MANIFESTS = [
    (path.name, manifest)
    for path in sorted((DEPLOY / "kubernetes").glob("*.yaml"))
    for manifest in yaml.safe_load_all(path.read_text())
]


@pytest.mark.parametrize("path", sorted(DEPLOY.glob("*/Dockerfile")), ids=lambda path: path.parent.name)
def test_a_dockerfile_has_no_fault_that_hadolint_knows(path: Path) -> None:
    done = _run(BIN / "hadolint", path)
    assert (done.stdout, done.returncode) == ("", 0)


@pytest.mark.parametrize("version", ["1.29", kubernetes_validate.latest_version()])
@pytest.mark.parametrize(("name", "manifest"), MANIFESTS, ids=[f"{name}-{one['kind']}" for name, one in MANIFESTS])
def test_kubernetes_knows_every_field_of_a_manifest(name: str, manifest: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize(("name", "manifest"), [one for one in MANIFESTS if "template" in one[1].get("spec", {})])
def test_a_pod_gets_no_variables_of_the_service_that_has_the_name_of_our_settings(
    name: str, manifest: dict[str, Any]
) -> None:
    assert manifest["spec"]["template"]["spec"]["enableServiceLinks"] is False


def test_a_misspelt_field_of_a_manifest_is_noticed() -> None:
    wrong = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, "spec": {"prots": []}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, "1.29", strict=True)


@pytest.mark.parametrize("path", sorted((DEPLOY / "compose").glob("*.yaml")), ids=lambda path: path.name)
def test_compose_knows_every_field_of_its_files(path: Path) -> None:
    merged = yaml.safe_dump(yaml.safe_load(path.read_text()))  # `<<` is YAML's, and gone after it
    told = compose_spec.PyCompose.from_yaml(merged)
    told.validate()
    assert told.service_names


def test_a_misspelt_field_for_compose_is_noticed() -> None:
    with pytest.raises(ValueError, match="prots"):
        compose_spec.PyCompose.from_yaml('services: {one: {image: x, prots: ["1:1"]}}')


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not on this machine")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "ringback.service"
    text = (DEPLOY / "systemd" / "ringback.service").read_text()
    unit.write_text(text.replace("/opt/ringback/bin/ringback", str(BIN / "ringback")))
    done = _run("systemd-analyze", "verify", "--man=no", unit)
    assert (done.stdout + done.stderr, done.returncode) == ("", 0)


@pytest.mark.skipif(not shutil.which("promtool"), reason="Prometheus is not on this machine")
def test_prometheus_takes_the_alert_rules() -> None:
    done = _run("promtool", "check", "rules", DEPLOY / "prometheus" / "ringback-alerts.yaml")
    assert done.returncode == 0, done.stderr


def _run(*command: object) -> "subprocess.CompletedProcess[str]":
    line = [str(one) for one in command]
    return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
