"""Pid 1 of the node: prepares its mounts and network, then starts, restarts and reaps components.

Run as `python -m tulle.local.supervisor DIRECTORY`; `DIRECTORY/node.json` (a `Spec`) says what.
Only the standard library is imported: this process stays as long as the node.
"""

import http.client
import json
import os
import resource
import signal
import socket
import ssl
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tulle.local import cgroups, nodefs

SPEC = "node.json"
COMPONENTS = "components.json"
POLL_SECONDS = 0.1
FIRST_DELAY, LONGEST_DELAY = 0.5, 30.0
HEALTHY_SECONDS = 60.0  # a component that lived this long starts again at once
LOG_BYTES = 10 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Component:
    name: str
    argv: Sequence[str]
    needs_api: bool = False  # started only once the API server is ready


@dataclass(frozen=True, slots=True)
class ApiAccess:
    address: str
    port: int
    pki: str


@dataclass(frozen=True, slots=True)
class Spec:
    directory: str
    filesystem: nodefs.Filesystem
    network: nodefs.Network
    cgroups: Sequence[cgroups.Hierarchy]
    api: ApiAccess
    components: Sequence[Component]
    search_path: str

    def write(self) -> None:
        (Path(self.directory) / SPEC).write_text(json.dumps(asdict(self), indent=1))

    @staticmethod
    def read(directory: Path) -> "Spec":
        raw = json.loads((directory / SPEC).read_text())
        raw["filesystem"] = nodefs.Filesystem(**raw["filesystem"])
        raw["network"] = nodefs.Network(**raw["network"])
        raw["cgroups"] = [cgroups.Hierarchy(**each) for each in raw["cgroups"]]
        raw["api"] = ApiAccess(**raw["api"])
        raw["components"] = [Component(**each) for each in raw["components"]]
        return Spec(**raw)


@dataclass(slots=True)
class Child:
    """A component and what became of its processes so far."""

    component: Component
    pid: int | None = None
    started: float = 0.0
    restarts: int = 0
    failures: int = 0  # in a row
    due: float = field(default=0.0)

    def ended(self, now: float) -> None:
        self.pid = None
        self.restarts += 1
        self.failures = 0 if now - self.started > HEALTHY_SECONDS else self.failures + 1
        self.due = now + restart_delay(self.failures)


def restart_delay(failures: int) -> float:
    """Seconds to wait before the next start: none after a healthy life, else doubling."""
    return 0.0 if failures == 0 else float(min(LONGEST_DELAY, FIRST_DELAY * 2 ** (failures - 1)))


class Supervisor:
    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._logs = Path(spec.directory) / "log"
        self._children = [Child(component) for component in spec.components]
        self._api_ready = False
        self._environment = {
            "PATH": spec.search_path,
            "HOME": "/root",
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            "GOMEMLIMIT": os.environ.get("GOMEMLIMIT", ""),
        }

    def run(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        while True:
            self._reap()
            self._start_due()
            wait = POLL_SECONDS if not self._api_ready else self._until_next()
            signal.sigtimedwait({signal.SIGCHLD}, wait)

    def _start_due(self) -> None:
        if not self._api_ready:
            self._api_ready = is_ready(self._spec.api)
        now = time.monotonic()
        for child in self._children:
            waits = child.component.needs_api and not self._api_ready
            if child.pid is None and child.due <= now and not waits:
                child.pid, child.started = self._spawn(child.component), now
                self._record()

    def _until_next(self) -> float:
        waiting = [child.due for child in self._children if child.pid is None]
        return max(0.0, min(waiting) - time.monotonic()) if waiting else LONGEST_DELAY

    def _reap(self) -> None:
        """Collect every dead child, also those that were reparented to us."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for child in self._children:
                if child.pid == pid:
                    child.ended(time.monotonic())
                    self._note(child, os.waitstatus_to_exitcode(status))
                    self._record()

    def _spawn(self, component: Component) -> int:
        log = self._logs / f"{component.name}.log"
        if log.exists() and log.stat().st_size > LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
        append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), append, 0o640),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ]
        argv = list(component.argv)
        return os.posix_spawn(
            argv[0], argv, self._environment, file_actions=actions, setsigmask=(), setsid=True
        )

    def _note(self, child: Child, code: int) -> None:
        wait = restart_delay(child.failures)
        with (self._logs / f"{child.component.name}.log").open("a") as log:
            log.write(f"--- ended with {code}; started again in {wait:.1f} s\n")

    def _record(self) -> None:
        """What `tulle local status` reads; pids are those inside the node."""
        rows = [
            {"name": child.component.name, "pid": child.pid, "restarts": child.restarts}
            for child in self._children
        ]
        path = Path(self._spec.directory) / COMPONENTS
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(rows))
        fresh.replace(path)


def is_ready(api: ApiAccess) -> bool:
    """True when /readyz answers 200."""
    try:
        context = ssl.create_default_context(cafile=f"{api.pki}/ca.crt")
        context.load_cert_chain(f"{api.pki}/admin.crt", f"{api.pki}/admin.key")
        connection = http.client.HTTPSConnection(
            api.address, api.port, timeout=2.0, context=context
        )
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        finally:
            connection.close()
    except (OSError, http.client.HTTPException):
        return False


def main() -> None:
    spec = Spec.read(Path(sys.argv[1]))
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.environ["PATH"] = spec.search_path
    cgroups.enter(spec.cgroups, spec.network.hostname)
    socket.sethostname(spec.network.hostname)
    nodefs.mount(spec.filesystem)
    nodefs.connect(spec.network)
    Supervisor(spec).run()


if __name__ == "__main__":
    main()
