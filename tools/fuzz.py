"""Fuzz the proxy: `make fuzz`, or `python tools/fuzz.py [--seconds 3600] [--keep] [TARGET…]`.

Each target grows a corpus of its own in the cache, from the small one that is committed in
crates/proxy/fuzz/corpus; `--keep` takes what covers more into that. What was executed, covered and
found goes into bench/results/fuzz.json. It needs a nightly compiler beside the pinned one.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FUZZ = ROOT / "crates/proxy/fuzz"
RESULTS = ROOT / "bench/results/fuzz.json"
CACHE = Path(os.environ.get("TULLE_CACHE", Path.home() / ".cache" / "tulle"))
CARGO_FUZZ = "0.13.2"
LARGEST_INPUT = 8192
# Of what is committed: together with all targets well below 200 KB.
LARGEST_KEPT = 1024
MOST_KEPT = 48


def targets() -> list[str]:
    text = (FUZZ / "Cargo.toml").read_text()
    return re.findall(r'^name = "(\w+)"\npath', text, re.MULTILINE)


def toolchain() -> str:
    listed = subprocess.run(
        ["rustup", "toolchain", "list"], capture_output=True, text=True, check=False
    )
    for line in listed.stdout.splitlines():
        if line.startswith("nightly"):
            return line.split()[0]
    raise SystemExit(
        "fuzz: coverage needs a nightly compiler, which is not here; "
        "`rustup toolchain install nightly --profile minimal` gets one (the product needs none)"
    )


def build(nightly: str) -> Path:
    """The folder with one instrumented program per target."""
    tools = CACHE / "tools"
    program = tools / "bin" / "cargo-fuzz"
    if not program.exists():
        install = ["cargo", "install", "-q", "cargo-fuzz", "--version", CARGO_FUZZ, "--locked"]
        subprocess.run([*install, "--root", tools], check=True)
    made = CACHE / "target" / "fuzz"
    environment = {**os.environ, "CARGO_TARGET_DIR": str(made), "RUSTUP_TOOLCHAIN": nightly}
    # No sanitizer: our code forbids unsafe, and without one ten times as much is tried.
    words = [str(program), "fuzz", "build", "-s", "none", "--fuzz-dir", "."]
    subprocess.run(words, cwd=FUZZ, env=environment, check=True)
    found = sorted(made.glob("*/release"))
    return next(folder for folder in found if (folder / targets()[0]).exists())


def corpora(target: str) -> tuple[Path, Path]:
    grown, committed = CACHE / "fuzz" / target, FUZZ / "corpus" / target
    grown.mkdir(parents=True, exist_ok=True)
    committed.mkdir(parents=True, exist_ok=True)
    return grown, committed


def run(folder: Path, target: str, seconds: int) -> dict[str, object]:
    """One target; its crashes stay in crates/proxy/fuzz/artifacts."""
    grown, committed = corpora(target)
    artifacts = FUZZ / "artifacts" / target
    artifacts.mkdir(parents=True, exist_ok=True)
    known = set(artifacts.iterdir())
    started = time.monotonic()
    program = subprocess.Popen(
        [
            folder / target,
            f"-max_total_time={seconds}",
            "-timeout=60",
            "-rss_limit_mb=2048",
            f"-max_len={LARGEST_INPUT}",
            "-print_final_stats=1",
            f"-artifact_prefix={artifacts}/",
            grown,
            committed,
        ],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert program.stderr is not None
    said = ""
    covered = executed = 0
    for line in program.stderr:
        said = (said + line)[-4000:]
        if seen := re.match(r"#(\d+)\s.*cov: (\d+)", line):
            executed, covered = int(seen[1]), int(seen[2])
    code = program.wait()
    found = sorted(path.name for path in set(artifacts.iterdir()) - known)
    if code != 0:
        print(said, file=sys.stderr)
    return {
        "seconds": round(time.monotonic() - started),
        "executions": executed,
        "coverage_edges": covered,
        "corpus_files": sum(1 for _ in grown.iterdir()),
        "crashes": found,
    }


def keep(folder: Path, target: str) -> None:
    """The smallest inputs that together cover what the whole corpus covers, as far as they fit."""
    grown, committed = corpora(target)
    merged = CACHE / "fuzz" / f"{target}.merged"
    shutil.rmtree(merged, ignore_errors=True)
    merged.mkdir()
    merge = [folder / target, "-merge=1", f"-max_len={LARGEST_KEPT}", merged, committed, grown]
    subprocess.run(merge, stderr=subprocess.DEVNULL, check=True)
    by_size = sorted(merged.iterdir(), key=lambda path: (path.stat().st_size, path.name))
    shutil.rmtree(committed)
    committed.mkdir()
    # The larger ones cover most; an even pick over the sizes has both.
    step = max(1, -(-len(by_size) // MOST_KEPT))
    for path in by_size[::-1][::step]:
        shutil.copyfile(path, committed / path.name[:16])
    shutil.rmtree(merged)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=3600)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("targets", nargs="*", default=targets())
    arguments = parser.parse_args()
    folder = build(toolchain())
    failed = False
    for target in arguments.targets:
        print(f"fuzz: {target} for {arguments.seconds} s", file=sys.stderr, flush=True)
        result = run(folder, target, arguments.seconds)
        failed = failed or bool(result["crashes"])
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        all_results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        all_results[target] = result
        RESULTS.write_text(json.dumps(all_results, indent=2, sort_keys=True) + "\n")
        print(f"fuzz: {target}: {result}", file=sys.stderr, flush=True)
        if arguments.keep:
            keep(folder, target)
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()
