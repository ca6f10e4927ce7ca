"""The Rust programs, built static for any image, even one without a C library."""

import os
from pathlib import Path

from packing.process import run

TARGET = "x86_64-unknown-linux-gnu"


def build(packages: tuple[str, ...], profile: str, root: Path, cache: Path) -> dict[str, Path]:
    """Package -> binary. cargo itself knows what has changed."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", cache / "target"))
    named = [word for package in packages for word in ("--package", package)]
    command = ["nice", "cargo", "build", "--profile", profile, "--target", TARGET, *named]
    flags = "-C target-feature=+crt-static"
    run(*command, cwd=root, env={**os.environ, "RUSTFLAGS": flags, "CARGO_TARGET_DIR": str(target)})
    folder = target / TARGET / ("debug" if profile == "dev" else profile)
    return {package: folder / package for package in packages}
