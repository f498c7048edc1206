"""Render one operation in a process of its own: `python -m ringback_video.rendering FOLDER`."""

import sys
from pathlib import Path

from PIL import Image

from ringback_video.rendering.encoder import EncodingFailed, encode
from ringback_video.rendering.frames import frame_count, frames
from ringback_video.rendering.operation import Operation
from ringback_video.templates import TEMPLATES

_EVERY = 5


def main(folder: Path) -> None:
    """Render what a folder asks for; how far it is stands in its state file."""
    operation = Operation(folder)
    order = operation.order()
    template = TEMPLATES[order.template_id]
    total = frame_count(template)

    def advanced(number: int) -> None:
        if number % _EVERY == 0:
            operation.say("rendering", progress=min(99, number * 100 // total))

    try:
        photos = [Image.open(path).convert("RGB") for path in operation.photos()]
        encode(frames(photos, template, order.caption), (template.width, template.height), operation.video, advanced)
    except (EncodingFailed, OSError, ValueError) as error:
        operation.say("failed", error=str(error))
        sys.exit(1)
    operation.say("done", progress=100)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
