"""Turns a short list of wanted wheels (NAME.in) into exact versions with hashes (NAME.txt)."""

import json
import sys
from pathlib import Path

from packing.process import run
from packing.python import PLATFORMS, VERSION


def pin(wanted: Path) -> None:
    platforms = [word for name in PLATFORMS for word in ("--platform", name)]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
    command += ["--only-binary", ":all:", "--python-version", VERSION, "--implementation", "cp"]
    command += [*platforms, "--target", "/nowhere", "--report", "-", "--requirement", str(wanted)]
    lines = []
    for item in json.loads(run(*command))["install"]:
        facts, digest = item["metadata"], item["download_info"]["archive_info"]["hashes"]["sha256"]
        lines.append(f"{facts['name'].lower()}=={facts['version']} --hash=sha256:{digest}")
    wanted.with_suffix(".txt").write_text("\n".join(sorted(lines)) + "\n")
