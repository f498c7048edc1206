"""`make fuzz`: each target for some seconds, with inputs that are bred by what of the code they reach (atheris, libFuzzer).

What was bred is kept in `build/fuzz` and is where the next run begins; an input that breaks a target lies there as `crash-...`.
"""

import importlib
import io
import subprocess
import sys
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LONGEST_INPUT = 4096
SLOWEST_S = 10


def fuzz(name: str, seconds: int) -> None:
    """Run one target in this process, until its time is over or it breaks."""
    atheris: Any = importlib.import_module("atheris")
    with redirect_stderr(io.StringIO()), atheris.instrument_imports(include=["ringback"]):  # it names each module
        target = importlib.import_module("fuzz.targets").TARGETS[name]
    folder = ROOT / "build" / "fuzz" / name.replace(" ", "-")
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds):
        (folder / f"seed-{number}").write_bytes(seed[:LONGEST_INPUT])
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={LONGEST_INPUT}",
        f"-timeout={SLOWEST_S}",
        f"-artifact_prefix={folder.parent}/",
        "-verbosity=0",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], *options, str(folder)], target.run)
    atheris.Fuzz()


def main() -> None:
    """Fuzz one target, or each of them in a process of its own; the exit status says whether one broke."""
    seconds, *names = sys.argv[1:]
    if names:
        fuzz(names[0], int(seconds))
        return
    broken = []
    for name in importlib.import_module("fuzz.targets").TARGETS:
        print(f"== {name}, {seconds} s", flush=True)
        if subprocess.run([sys.executable, "-m", "fuzz.harness", seconds, name], check=False).returncode:
            broken.append(name)
    sys.exit(f"broken: {', '.join(broken)}; the inputs are in build/fuzz" if broken else 0)


if __name__ == "__main__":
    main()
