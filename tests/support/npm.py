"""Packages from npm that tests need."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import pytest


def require_packages(folder: Path, what: str) -> None:
    """Install what the package.json of a folder names, where it is missing; skip in the open without Node.js, fail in CI.

    Of processes that test side by side one installs, and the others wait. npm writes a list of what is there when it is done.
    """
    if shutil.which("node") is None or shutil.which("npm") is None:
        if os.environ.get("CI"):
            pytest.fail(f"Node.js is missing: {what} cannot be run")
        pytest.skip(f"Node.js is missing: {what} cannot be run")
    wanted, done = folder / "package.json", folder / "node_modules" / ".package-lock.json"
    with wanted.open() as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not done.exists() or done.stat().st_mtime < wanted.stat().st_mtime:
            command = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"]
            subprocess.run(command, cwd=folder, check=True, timeout=110)
