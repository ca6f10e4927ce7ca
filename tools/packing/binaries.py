"""The Rust programs, built static for any image, even one without a C library."""

import hashlib
import lzma
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from packing.process import ToolFailed, run

TARGET = "x86_64-unknown-linux-gnu"
# Written by tools/proxy_profile.py (docs/decisions/0009-profile.md).
PROFILE = Path("crates/proxy/profile.profdata.xz")
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


def profile(root: Path, cache: Path) -> Path:
    """What runs often in the proxy, as the compiler reads it.

    Its path goes into every artifact's key: it names the content, and no clone.
    """
    packed = (root / PROFILE).read_bytes()
    path = cache / "profile" / f"{hashlib.sha256(packed).hexdigest()[:16]}.profdata"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as made:
            made.write(lzma.decompress(packed))
        Path(made.name).rename(path)
    return path


def build(
    packages: tuple[str, ...], profile: str, root: Path, target: Path, flags: Sequence[str] = ()
) -> None:
    """Leaves to cargo to know what has changed."""
    named = [word for package in packages for word in ("--package", package)]
    command = ["nice", "cargo", "build", "--locked", "--profile", profile, *named]
    command += ["--target", TARGET]
    for key, value in QUICK.items():
        command += ["--config", f"profile.quick.{key}={value}"]
    given = {
        "CARGO_ENCODED_RUSTFLAGS": "\x1f".join(("-Ctarget-feature=+crt-static", *flags)),
        "CARGO_TARGET_DIR": str(target),
    }
    run(*command, cwd=root, env={**os.environ, **given})
