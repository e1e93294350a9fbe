"""What an installation weighs: the wheel and what it needs, in an environment with nothing else.

python -m benchmarks.size      # builds the wheel, installs it, prints MB by package (about a minute)
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from benchmarks.bars import Bar

ROOT = Path(__file__).parents[1]
MOST = 250.0  # MB, without TensorFlow
NO_PART = {"pip", "setuptools"}  # what installs is not what is installed

# Run by the other environment's Python: every file that pip wrote for each package, compiled ones included.
WEIGH = """
import importlib.metadata, json
print(json.dumps({
    package.name.lower(): sum(path.stat().st_size for file in package.files or () if (path := file.locate()).is_file())
    for package in importlib.metadata.distributions()
}))
"""


def build(source: Path, out: Path) -> Path:
    """Build sdist and wheel of a checkout, the wheel from the sdist, as for a release; the wheel."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", out, source]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (wheel,) = out.glob("*.whl")
    return wheel


def install(wheel: Path, folder: Path, versions: Path | None = None) -> Path:
    """Install a wheel and what it needs into an empty environment, in the versions of a file if one is given; its
    Python."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    quiet = ["--quiet", "--disable-pip-version-check"]
    subprocess.run([python, "-m", "pip", "install", *quiet, wheel, *(["-c", versions] if versions else [])], check=True)
    return python


def weigh(python: Path) -> dict[str, float]:
    """MB of each package of an environment, the heaviest first."""
    done = subprocess.run([python, "-c", WEIGH], check=True, capture_output=True, text=True)
    weights = {name: size / 1e6 for name, size in json.loads(done.stdout).items() if name not in NO_PART}
    return dict(sorted(weights.items(), key=lambda item: -item[1]))


def main() -> int:
    """Print the table, and whether it is within the bar."""
    with tempfile.TemporaryDirectory() as folder:
        weights = weigh(install(build(ROOT, Path(folder, "dist")), Path(folder, "empty")))
    for name, megabytes in weights.items():
        print(f"{name:<28}{megabytes:8.1f} MB")
    print(Bar("installed size, MB", sum(weights.values()), MOST, False))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
