"""A small disk of its own, an ext4 file system in a file, that can be made to fail as real ones do."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_MEGABYTES = 32


class Disk:
    """A mounted file system.

    Attributes:
        folder: where.
    """

    def __init__(self, image: Path, folder: Path) -> None:
        self._image = image
        self.folder = folder

    def mount(self) -> None:
        """Mount it; an error makes it read-only, as distributions have it."""
        _run("mount", "-o", "loop,errors=remount-ro", self._image, self.folder)

    def unmount(self) -> None:
        """Take it away."""
        _run("umount", self.folder)

    def mount_anew(self) -> None:
        """Take it away, look it over, and mount it again, as one does after an error."""
        self.unmount()
        subprocess.run(["e2fsck", "-fy", self._image], capture_output=True, check=False)
        self.mount()

    def turn_read_only(self) -> None:
        """Have the kernel find an error: nothing is written any more, not even to files that are open."""
        source = subprocess.run(
            ["findmnt", "-no", "SOURCE", self.folder], capture_output=True, text=True, check=True
        ).stdout.strip()
        Path(f"/sys/fs/ext4/{Path(source).name}/trigger_fs_error").write_text("1")

    def protect(self, file: Path) -> None:
        """Let a file be written no more, not even by who has it open."""
        _run("chattr", "+i", file)

    def unprotect(self, file: Path) -> None:
        """Let it be written again."""
        _run("chattr", "-i", file)


@contextmanager
def small_disk(folder: Path) -> Iterator[Disk]:
    """Have a disk for the length of a block; skips the test where nothing can be mounted."""
    image, place = folder / "disk.img", folder / "disk"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(_MEGABYTES * 1024 * 1024)
    disk = Disk(image, place)
    try:
        _run("mkfs.ext4", "-q", "-F", image)
        disk.mount()
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no disk can be mounted here (it takes root and a loop device): {error}")
    try:
        yield disk
    finally:
        disk.unmount()


def _run(*line: str | Path) -> None:
    subprocess.run(list(line), check=True, capture_output=True)
