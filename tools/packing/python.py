"""Python inside an image: pinned wheels without tests and headers, and byte code made ahead."""

import shutil
import sys
from pathlib import Path

from packing.process import run

VERSION = "3.11"  # Debian 12's
SITE = f"usr/local/lib/python{VERSION}/dist-packages"
PLATFORMS = ("manylinux2014_x86_64", "manylinux_2_28_x86_64", "manylinux_2_34_x86_64")
PRUNED_FOLDERS = ("tests", "test", "testing", "include")
PRUNED_SUFFIXES = (".pyi", ".h", ".c", ".cpp", ".hpp", ".pyx", ".pxd", ".proto")


def install_wheels(pins: Path, tree: Path) -> None:
    site = tree / SITE
    site.mkdir(parents=True)
    platforms = [word for name in PLATFORMS for word in ("--platform", name)]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile"]
    command += ["--disable-pip-version-check", "--only-binary", ":all:", "--require-hashes"]
    command += ["--python-version", VERSION, "--implementation", "cp", *platforms]
    run(*command, "--target", str(site), "--requirement", str(pins))
    _prune(site)


def _prune(site: Path) -> None:
    shutil.rmtree(site / "bin", ignore_errors=True)  # console scripts with the builder's paths
    for path in sorted(site.rglob("*")):
        if path.is_dir() and path.name in PRUNED_FOLDERS and path.parent != site:
            shutil.rmtree(path)
        elif path.is_file() and (path.suffix in PRUNED_SUFFIXES or path.name == "RECORD"):
            path.unlink()


def compile_all(tree: Path, below: str = "usr") -> None:
    """Byte code that is trusted without a look at its source: times and hashes cost each start.

    Both as it is for scripts, and without docstrings for components, which run by `python3 -OO`.
    """
    command = [
        sys.executable,
        "-m",
        "compileall",
        "-q",
        "-f",
        "--invalidation-mode",
        "unchecked-hash",
        "-o",
        "0",
        "-o",
        "2",
    ]
    command += ["-s", str(tree), "-p", "/", str(tree / below)]
    if sys.version_info[:2] != tuple(map(int, VERSION.split("."))):
        raise SystemExit(
            f"images: run this with Python {VERSION}, the images' own, for its byte code"
        )
    run(*command, env={"PYTHONHASHSEED": "0", "PATH": "/usr/bin:/bin"})
