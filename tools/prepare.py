"""Everything that `make test` and `make demo` need, made once and kept outside the clone.

Stages run side by side where they do not need one another; each is safe to repeat and does nothing
when its inputs have not changed. The plain standard library only: this runs before anything is
installed. Progress goes to stderr; each stage's whole output is kept in the cache's log folder.
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("TULLE_CACHE", Path.home() / ".cache" / "tulle"))
VENV = CACHE / "venv"
LOCK = ROOT / "requirements.lock"

# What Debian has and the build, the local node or the tests run: program -> package.
PROGRAMS = {
    "cc": "build-essential",
    "curl": "curl",
    "fish": "fish",
    "git": "git",
    "ip": "iproute2",
    "iptables": "iptables",
    "make": "make",
    "nsenter": "util-linux",
    "openssl": "openssl",
    "tcpdump": "tcpdump",
    "zsh": "zsh",
}
# What the proxy's benchmark runs beside them, wanted by its own stage only.
BENCH_PROGRAMS = {
    "haproxy": "haproxy",
    "h2load": "nghttp2-client",
    "iperf3": "iperf3",
    "nginx": "nginx-light",
    "wrk": "wrk",
}
BROWSERS = ("chromium", "google-chrome")  # what the dashboard's tests can run in
TOOLCHAINS = {
    "cargo": "Rust (rustup.rs)",
    "go": "Go 1.24 or newer (go.dev)",
    "npm": "Node.js 20.19 or newer (nodejs.org)",
}


class Failed(Exception):
    """A stage that could not be made; says which and where its output lies."""


@dataclass(frozen=True)
class Stage:
    """One thing to be made: the stages it needs, how long it takes when nothing is cached."""

    name: str
    needs: tuple[str, ...]
    first_seconds: int
    make: Callable[["Stage"], None]

    @property
    def log(self) -> Path:
        return CACHE / "log" / f"{self.name}.log"

    def run(self, *command: str | Path) -> None:
        """Run a command with the project's environment; its output goes to the stage's log."""
        environment = {
            **os.environ,
            "TULLE_CACHE": str(CACHE),
            "CARGO_TARGET_DIR": str(CACHE / "target"),
            "PATH": f"{VENV / 'bin'}:{os.environ['PATH']}",
            "VIRTUAL_ENV": str(VENV),
            "PYTHONUNBUFFERED": "1",
        }
        with self.log.open("ab") as log:
            words = [str(part) for part in command]
            log.write(f"$ {' '.join(words)}\n".encode())
            log.flush()
            done = subprocess.run(
                words, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                check=False,
            )  # fmt: skip
        if done.returncode != 0:
            tail = self.log.read_text(errors="replace")[-3000:]
            raise Failed(
                f"{self.name}: `{' '.join(words)}` exited {done.returncode}; "
                f"all of it is in {self.log}\n{tail}"
            )

    def last_line(self) -> str:
        lines = (
            self.log.read_text(errors="replace").strip().splitlines() if self.log.exists() else []
        )
        return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", lines[-1])[:110] if lines else ""


def packages(stage: Stage) -> None:
    """Debian's packages, by apt, as root; says which are missing where it may not install."""
    missing = absent(PROGRAMS)
    if subprocess.run([sys.executable, "-c", "import ensurepip"], check=False).returncode != 0:
        missing.append("python3-venv")
    for program, name in TOOLCHAINS.items():
        if not shutil.which(program):
            raise Failed(f"{program} is missing: install {name} and put it on PATH")
    install(stage, missing)


def absent(programs: dict[str, str]) -> list[str]:
    path = f"{os.environ['PATH']}:/usr/sbin"
    wanted = programs.items()
    return sorted({package for program, package in wanted if not shutil.which(program, path=path)})


def install(stage: Stage, missing: list[str]) -> None:
    if not missing:
        return
    if os.geteuid() != 0:
        raise Failed(f"missing packages; run: sudo apt-get install {' '.join(missing)}")
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    stage.run("apt-get", "update", "-q")
    stage.run("apt-get", "install", "-q", "-y", "--no-install-recommends", *missing)


def python(stage: Stage) -> None:
    """The virtual environment with the locked packages, and this checkout in it."""
    digest = hashlib.sha256(LOCK.read_bytes() + str(ROOT).encode()).hexdigest()
    stamp = VENV / ".lock"
    if stamp.exists() and stamp.read_text() == digest:
        return
    if not (VENV / "bin" / "python").exists():
        stage.run(sys.executable, "-m", "venv", VENV)
    stage.run(VENV / "bin" / "pip", "install", "-q", "-r", LOCK)
    stage.run(
        VENV / "bin" / "pip", "install", "-q", "--no-deps", "--no-build-isolation", "-e", ROOT
    )
    stamp.write_text(digest)


def stubs(stage: Stage) -> None:
    """The proxy API's crate, and Python stubs from its .proto files."""
    stage.run("cargo", "fetch", "--locked")
    stage.run(VENV / "bin" / "python", "tools/stubs.py")


def web(stage: Stage) -> None:
    """The dashboard's page, as the files that its server hands out."""
    stage.run(sys.executable, "tools/web.py")


def browser(stage: Stage) -> None:
    """The browser that the dashboard's tests run in."""
    install(stage, [] if any(map(shutil.which, BROWSERS)) else ["chromium"])


def kubernetes(stage: Stage) -> None:
    """The binaries of the local node: from the cache, the release servers, or built from source."""
    stage.run(VENV / "bin" / "python", "-m", "tulle.local.provision")


def proxy(stage: Stage) -> None:
    """The proxy and its init program, as the static binaries that go into the image."""
    stage.run(VENV / "bin" / "python", "tools/images.py", "proxy")


def bench(stage: Stage) -> None:
    """The peers and load generators of the proxy's benchmark, and what draws its plots."""
    install(stage, absent(BENCH_PROGRAMS))
    stage.run(VENV / "bin" / "pip", "install", "-q", "-r", ROOT / "bench" / "requirements.lock")
    target = "x86_64-unknown-linux-gnu"
    stage.run("cargo", "build", "--locked", "--release", "-p", "tulle-loadgen", "--target", target)


def images(stage: Stage) -> None:
    """One archive for each image, for any Kubernetes to import."""
    stage.run(VENV / "bin" / "python", "tools/images.py")


# Others' programs that proxy and charts are tried with: Go package -> the name that we give it.
PEERS = {
    "github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible": "h2spec",
    "google.golang.org/grpc/interop/client@v1.71.0": "grpc-client",
    "google.golang.org/grpc/interop/server@v1.71.0": "grpc-server",
    "helm.sh/helm/v3/cmd/helm@v3.19.0": "helm",
}


def peers(stage: Stage) -> None:
    """h2spec, gRPC's interoperability programs and Helm, built from their Go modules."""
    folder = CACHE / "peers"
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    for package, name in PEERS.items():
        if (folder / "bin" / name).exists():
            continue
        work = folder / "work"
        go = ("env", f"GOPATH={work}", f"GOCACHE={work}/build", f"GOBIN={work}/bin")
        stage.run(*go, "GOFLAGS=-modcacherw", "nice", "go", "install", package)
        built = package.split("@")[0].rsplit("/", 1)[-1]
        (work / "bin" / built).rename(folder / "bin" / name)
    shutil.rmtree(folder / "work", ignore_errors=True)


STAGES = (
    Stage("packages", (), 60, packages),
    Stage("python", ("packages",), 40, python),
    Stage("stubs", ("python",), 30, stubs),
    Stage("web", ("packages",), 45, web),
    Stage("kubernetes", ("python",), 560, kubernetes),
    Stage("proxy", ("stubs",), 400, proxy),
    Stage("images", ("proxy", "web"), 60, images),
    # Only asked for by name.
    Stage("browser", ("packages",), 40, browser),
    Stage("bench", ("proxy",), 60, bench),
    Stage("peers", ("packages",), 270, peers),
)
EVERYDAY = [stage.name for stage in STAGES if stage.name not in {"browser", "bench", "peers"}]


class Plan:
    """Runs the wanted stages, each in its own thread once those it needs are done."""

    def __init__(self, wanted: list[str]) -> None:
        names = set(wanted)
        for stage in reversed(STAGES):
            if stage.name in names:
                names.update(stage.needs)
        self.stages = [stage for stage in STAGES if stage.name in names]
        self.done = {stage.name: threading.Event() for stage in self.stages}
        self.failure: Exception | None = None
        self.started: dict[str, float] = {}

    def work(self, stage: Stage) -> None:
        for name in stage.needs:
            self.done[name].wait()
        if self.failure is None:
            self.started[stage.name] = time.monotonic()
            try:
                stage.make(stage)
            except Exception as error:  # told to the main thread, which reports and exits
                self.failure = self.failure or error
            seconds = time.monotonic() - self.started[stage.name]
            if seconds > 2:
                say(f"{stage.name}: ready after {seconds:.0f} s")
        self.done[stage.name].set()

    def run(self) -> None:
        (CACHE / "log").mkdir(parents=True, exist_ok=True)
        for stage in self.stages:
            stage.log.write_bytes(b"")
            threading.Thread(target=self.work, args=(stage,), daemon=True).start()
        last = time.monotonic()
        for stage in self.stages:
            while not self.done[stage.name].wait(1):
                if time.monotonic() - last > 15:
                    last = time.monotonic()
                    self.report()
        if self.failure is not None:
            raise self.failure

    def report(self) -> None:
        for stage in self.stages:
            if stage.name in self.started and not self.done[stage.name].is_set():
                spent = time.monotonic() - self.started[stage.name]
                left = stage.first_seconds - spent
                time_left = f"at most about {left:.0f} s left" if left > 0 else "slower than usual"
                say(f"{stage.name}: {spent:.0f} s, {time_left}: {stage.last_line()}")


def say(text: str) -> None:
    print(f"prepare: {text}", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stages", nargs="*", default=EVERYDAY)
    wanted = parser.parse_args().stages
    if not (CACHE / "bin").exists() and "kubernetes" in wanted:
        say("the first time this builds Kubernetes and the proxy: about 15 minutes on two cores")
    try:
        Plan(wanted).run()
    except Failed as error:
        raise SystemExit(f"prepare: {error}") from error


if __name__ == "__main__":
    main()
