"""What Studio is told by the environment stands in `.env.example`, and nothing else."""

import re
from pathlib import Path

import ringback_video
from ringback_video.providers.registry import PROVIDERS

ROOT = Path(__file__).parents[2]
SOURCE = Path(ringback_video.__file__).parent


def named(text: str) -> set[str]:
    return set(re.findall(r"\b(?:STUDIO_[A-Z0-9_]+|QSTASH_[A-Z_]+|DATABASE_URL)\b", text))


def test_the_example_lists_exactly_what_is_read() -> None:
    listed = re.findall(r"^([A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert len(listed) == len(set(listed))
    assert set(listed) == named((SOURCE / "settings.py").read_text())


def test_files_for_deployment_name_only_what_is_read() -> None:
    known = named((SOURCE / "settings.py").read_text())
    for path in sorted((ROOT / "deploy" / "studio").rglob("*")):
        if path.is_file():
            assert named(path.read_text()) <= known, path.name
    keys = {key for entry in PROVIDERS.values() for key in entry.needs} - {"GOOGLE_CLOUD_PROJECT"}
    template = (ROOT / "deploy" / "studio" / "lambda" / "template.yaml").read_text()
    assert keys <= set(re.findall(r"^ +([A-Z_]+): \{ Ref", template, re.MULTILINE))
