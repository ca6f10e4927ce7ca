"""Packs the command line into one file that runs by itself: fetch, chmod, run.

The file holds the wheel and its dependencies, at the versions that requirements.lock pins. It
needs a CPython 3.11 on PATH, for some dependencies are native. On its first run it unpacks itself
into ~/.cache/tulle-cli, as a virtual environment, so that `python -m tulle…` works for what it
starts.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("TULLE_CACHE", Path.home() / ".cache" / "tulle"))
PYTHON = "CPython==3.11.*"


def wheel(folder: Path) -> Path:
    """The distribution, with the charts and all else that lies in the package."""
    build = ["wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(folder), str(ROOT)]
    subprocess.run([sys.executable, "-m", "pip", *build], check=True)
    (made,) = folder.glob("tulle-*.whl")
    return made


def one_file(made: Path, output: Path) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pex", str(made), "--console-script", "tulle"]
    command += ["--constraints", str(ROOT / "requirements.lock"), "--use-pip-config"]
    command += ["--interpreter-constraint", PYTHON, "--python", sys.executable]
    command += ["--pex-root", str(CACHE / "pex"), "--runtime-pex-root", "~/.cache/tulle-cli"]
    command += ["--venv", "--sh-boot", "--output-file", str(output)]
    subprocess.run(command, check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wheel", action="store_true", help="only the wheel, into --output")
    parser.add_argument("--output", type=Path, help="file, or folder of the wheel")
    given = parser.parse_args()
    if given.wheel:
        folder = given.output or ROOT / "dist"
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("tulle-*.whl"):
            old.unlink()
        print(wheel(folder))
        return
    output = given.output or ROOT / "dist" / "tulle"
    with tempfile.TemporaryDirectory() as folder:
        one_file(wheel(Path(folder)), output)
    print(output)


if __name__ == "__main__":
    main()
