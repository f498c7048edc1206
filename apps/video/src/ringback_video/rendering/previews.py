"""Small moving previews of the templates, made once by the renderer itself.

`python -m ringback_video.rendering.previews FOLDER` makes them; Studio starts it where a preview is asked for that is not there.
"""

import fcntl
import hashlib
import subprocess
import sys
import threading
from dataclasses import replace
from functools import cache
from pathlib import Path

from PIL import Image

from ringback_video.rendering.encoder import Quality, encode
from ringback_video.rendering.frames import frames
from ringback_video.settings import PHOTOS
from ringback_video.templates import GALLERY, Template

_LONG_SIDE = 480
_SQUARE_SIDE = 400
_QUALITY = Quality(per_second=15, factor=29, preset="slow")
_STILL_AT = 0.56
_LOCK = ".making"


class Previews:
    """The previews in a folder; a process of its own makes what is missing.

    Args:
        folder: made if it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._maker: subprocess.Popen[bytes] | None = None

    def path(self, name: str) -> Path | None:
        """Return where a preview is, None while it has not been made; the names are those of `file_names`."""
        path = self._folder / name
        return path if self.is_known(name) and path.is_file() else None

    def is_known(self, name: str) -> bool:
        """Whether there is, or will be, a preview of this name."""
        return any(name in file_names(template) for template in GALLERY.values())

    def begin(self) -> None:
        """Let the missing ones be made, and return at once; a maker that has failed is not sent again."""
        if self._maker is None and any(self.path(name) is None for t in GALLERY.values() for name in file_names(t)):
            self._folder.mkdir(parents=True, exist_ok=True)
            command = [sys.executable, "-m", "ringback_video.rendering.previews", str(self._folder)]
            self._maker = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
            threading.Thread(target=self._maker.wait, daemon=True).start()  # somebody has to hear that it has ended

    def close(self) -> None:
        """Stop making; what is half made is made again next time."""
        if self._maker is not None:
            self._maker.terminate()
            self._maker.wait(10)


def file_names(template: Template) -> tuple[str, str]:
    """Return the names of a template's film and of its still; they change when anything changes that they are made of."""
    return f"{template.id}-{_made_of()}.mp4", f"{template.id}-{_made_of()}.webp"


def make_missing(folder: Path) -> None:
    """Make the previews that a folder does not have yet, unless another process is doing just that."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return
        photos = [Image.open(path).convert("RGB") for path in sorted(PHOTOS.glob("*.jpg"))]
        for template in GALLERY.values():
            _make(folder, template, photos)


def _make(folder: Path, template: Template, photos: list[Image.Image]) -> None:
    film, still = (folder / name for name in file_names(template))
    if film.exists() and still.exists():
        return
    size = small(template)
    drawn = list(frames(photos, size, size.caption, _QUALITY.per_second))
    part = still.with_suffix(".part")
    drawn[int(len(drawn) * _STILL_AT)].save(part, "WEBP", quality=78)
    part.replace(still)
    encode(drawn, (size.width, size.height), film, lambda _: None, _QUALITY)


def small(template: Template) -> Template:
    """The same template at the size of the gallery; both sides even, as the encoder wants them."""
    long = _SQUARE_SIDE if template.format == "square" else _LONG_SIDE
    scale = long / max(template.width, template.height)
    width, height = (round(side * scale / 2) * 2 for side in (template.width, template.height))
    return replace(template, width=width, height=height)


@cache
def _made_of() -> str:
    """Return a digest of the renderer, the templates and the sample photos."""
    rendering = Path(__file__).parent
    parts = [*sorted(rendering.glob("*.py")), rendering.parent / "templates.py", *sorted(PHOTOS.glob("*.jpg"))]
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.read_bytes())
    return digest.hexdigest()[:12]


if __name__ == "__main__":
    make_missing(Path(sys.argv[1]))
