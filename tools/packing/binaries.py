"""The Rust programs, built static for any image, even one without a C library."""

import os
from pathlib import Path

from packing.process import ToolFailed, run

TARGET = "x86_64-unknown-linux-gnu"
# Optimized, without link-time optimization: seconds instead of minutes after a change.
QUICK = {"inherits": '"release"', "lto": "false", "codegen-units": "16", "incremental": "true"}


def built(packages: tuple[str, ...], profile: str, target: Path) -> dict[str, Path]:
    """Package -> the binary that the last build left."""
    folder = target / TARGET / ("debug" if profile == "dev" else profile)
    found = {package: folder / package for package in packages}
    if missing := [str(path) for path in found.values() if not path.exists()]:
        raise ToolFailed(f"{', '.join(missing)} has not been built yet")
    return found


def target_folder(cache: Path) -> Path:
    return Path(os.environ.get("CARGO_TARGET_DIR", cache / "target"))


def build(packages: tuple[str, ...], profile: str, root: Path, target: Path) -> None:
    """Leaves to cargo to know what has changed."""
    named = [word for package in packages for word in ("--package", package)]
    command = ["nice", "cargo", "build", "--profile", profile, "--target", TARGET, *named]
    for key, value in QUICK.items():
        command += ["--config", f"profile.quick.{key}={value}"]
    flags = "-C target-feature=+crt-static"
    run(*command, cwd=root, env={**os.environ, "RUSTFLAGS": flags, "CARGO_TARGET_DIR": str(target)})
