"""One rendering as a folder: what was ordered, the photos, how far it is, and the video."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

Stage = Literal["rendering", "done", "failed"]


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be rendered."""

    template_id: str
    caption: str


@dataclass(frozen=True, slots=True)
class Said:
    """What the renderer last said.

    Attributes:
        stage: where it is.
        progress: per cent.
        pid: its process.
        error: why it failed.
    """

    stage: Stage
    progress: int = 0
    pid: int = 0
    error: str = ""


class Operation:
    """A folder that outlives the processes that work on it.

    Args:
        folder: where it is.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.video = folder / "video.mp4"

    def place(self, order: Order, photos: list[bytes]) -> None:
        """Write down an order; an order that was placed before is replaced."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for number, photo in enumerate(photos):
            (self.folder / f"photo-{number:02}.jpg").write_bytes(photo)
        _write(self.folder / "order.json", asdict(order) | {"photos": len(photos)})

    def order(self) -> Order:
        """Return what was ordered."""
        known = json.loads((self.folder / "order.json").read_text())
        return Order(known["template_id"], known["caption"])

    def photos(self) -> list[Path]:
        """Return the photos in order."""
        return sorted(self.folder.glob("photo-*.jpg"))

    def is_placed(self) -> bool:
        """Whether the order is complete."""
        return (self.folder / "order.json").exists()

    def say(self, stage: Stage, *, progress: int = 0, error: str = "") -> None:
        """Write down how far the rendering is."""
        _write(self.folder / "state.json", asdict(Said(stage, progress, os.getpid(), error)))

    def say_for(self, pid: int) -> None:
        """Write down that a process has been started, unless it has said something itself."""
        if (said := self.said()) is None or said.pid != pid:
            _write(self.folder / "state.json", asdict(Said("rendering", 0, pid)))

    def said(self) -> Said | None:
        """Return what the renderer last said, None if it has not said anything."""
        try:
            return Said(**json.loads((self.folder / "state.json").read_text()))
        except FileNotFoundError:
            return None


def _write(path: Path, value: object) -> None:
    """Write a file so that a reader sees the old one or the new one, never half of it."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(json.dumps(value))
    part.replace(path)
