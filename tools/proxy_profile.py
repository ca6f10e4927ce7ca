"""Count what runs often in the proxy, for its optimized builds: `make profile`, as root.

Builds the proxy with counters, puts the benchmark's load on a pair of it, and keeps what was
counted in crates/proxy/profile.profdata.xz (docs/decisions/0009-profile.md). About six minutes on
two cores; the load itself takes one or two.
"""

import lzma
import os
import shutil
import subprocess
import sys
from pathlib import Path

from packing import binaries
from packing.process import ToolFailed, run, step

ROOT = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("TULLE_CACHE", Path.home() / ".cache" / "tulle"))
COMPONENT = "llvm-tools"
# Compiled into the proxy and each of its libraries, so it stays the same; only root makes it.
FOLDER = Path("/run/tulle-profile")


def profdata() -> Path:
    """The compiler's own program for profiles: no other version reads what it counts."""
    sysroot = Path(run("rustc", "--print", "sysroot").strip())
    program = "lib/rustlib/*/bin/llvm-profdata"
    if not list(sysroot.glob(program)):
        run("rustup", "component", "add", COMPONENT)
    if found := list(sysroot.glob(program)):
        return found[0]
    raise ToolFailed(f"{sysroot} has no llvm-profdata: rustup component add {COMPONENT}")


def count(counted: Path, results: Path) -> None:
    target = CACHE / "target" / "profile"
    with step("cargo build with counters"):
        flags = (f"-Cprofile-generate={counted}",)
        binaries.build(("tulle-proxy",), "release", ROOT, target, flags)
    proxy = binaries.built(("tulle-proxy",), "release", target)["tulle-proxy"]
    generators = binaries.target_folder(CACHE)
    generator = binaries.built(("tulle-loadgen",), "release", generators)["tulle-loadgen"]
    command = [sys.executable, "-m", "bench.sidecars", "--quick", "--subjects", "tulle"]
    command += ["--no-document"]
    command += ["--proxy", proxy, "--generator", generator, "--results", results]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "TULLE_PROXY_BIN": str(proxy)}
    with step("the benchmark's load"):
        subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
    command = ["cargo", "test", "-q", "--locked", "-p", "tulle-proxy", "--test", "tap_cost"]
    with step("a tap"):
        subprocess.run([*command, "--", "--ignored"], cwd=ROOT, env=environment, check=True)


def keep(counted: Path, program: Path) -> Path:
    """With what never ran, which is then compiled for size."""
    merged = counted / "proxy.profdata"
    run(str(program), "merge", "-o", str(merged), str(counted))
    path = ROOT / binaries.PROFILE
    made = path.with_suffix(".new")
    made.write_bytes(lzma.compress(merged.read_bytes(), preset=9 | lzma.PRESET_EXTREME))
    made.rename(path)
    return path


def main() -> None:
    if os.geteuid() != 0:
        raise ToolFailed("the load is in network namespaces; run it as root")
    program = profdata()
    shutil.rmtree(FOLDER, ignore_errors=True)
    counted = FOLDER / "counted"
    counted.mkdir(parents=True)
    try:
        # The proxies, which are nobody special, write what they counted when they end.
        counted.chmod(0o777)
        count(counted, FOLDER)
        path = keep(counted, program)
    finally:
        shutil.rmtree(FOLDER)
    print(f"profile: {path.relative_to(ROOT)}, {path.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    try:
        main()
    except ToolFailed as error:
        raise SystemExit(f"profile: {error}") from None
