"""What is measured: no proxy, or a pair of proxies of one kind, started in the two pods."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from . import load, mesh, peers, process
from .authority import Authority, write_identity
from .pods import PROXY_UID, SERVER_IP, SERVICE_IP, Pod, Pods

ROOT = Path(__file__).resolve().parents[2]
ALL = frozenset({"http1", "http2", "opaque"})


@dataclass
class Subject:
    """One of them. `programs` are the proxies by role, which alone are accounted."""

    label: str
    binary: Path | None = None
    supports: frozenset[str] = ALL
    programs: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    helpers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    ready_ms: dict[str, float] = field(default_factory=dict)

    def target(self, port: mesh.Port) -> load.Target:
        return load.Target(SERVICE_IP, port.service)

    def start(self, pods: Pods, authority: Authority, folder: Path) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        for program in [*self.programs.values(), *self.helpers]:
            process.stop(program)

    def pids(self) -> dict[str, int]:
        return {role: program.pid for role, program in self.programs.items()}


class NoProxy(Subject):
    """The floor: the client speaks to the server's pod."""

    def target(self, port: mesh.Port) -> load.Target:
        return load.Target(SERVER_IP, port.pod)

    def start(self, pods: Pods, authority: Authority, folder: Path) -> None:
        pass


@dataclass
class Sidecar(Subject):
    """A proxy that takes the injector's environment and asks a control plane: ours, or its peer."""

    routes: int = 1
    hints_http2: bool = True
    variables: dict[str, str] = field(default_factory=dict)

    def start(self, pods: Pods, authority: Authority, folder: Path) -> None:
        for role, pod in (("server", pods.server), ("client", pods.client)):
            self._control_plane(pod, authority, folder / f"plane-{role}.log")
            pod.redirect_in()
            pod.redirect_out()
            self._proxy(role, pod, authority, folder)

    def _control_plane(self, pod: Pod, authority: Authority, log: Path) -> None:
        command = [sys.executable, "-m", "bench.sidecars.controlplane"]
        command += ["--authority", str(authority.folder), "--routes", str(self.routes)]
        command += [] if self.hints_http2 else ["--no-http2-hint"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        program = process.start(pod, command, log, environment=environment)
        self.helpers.append(program)
        process.wait(program, log, lambda: process.is_listening(pod, mesh.CONTROL_PORT))

    def _proxy(self, role: str, pod: Pod, authority: Authority, folder: Path) -> None:
        keys, token = folder / f"identity-{role}", folder / f"token-{role}"
        write_identity(keys, mesh.identity(role))
        token.write_text(f"token of {role}")
        for path in (keys, *keys.iterdir(), token):
            os.chown(path, PROXY_UID, PROXY_UID)
        anchors = authority.root_file.read_text()
        environment = mesh.environment(role, pod, anchors, keys, token) | self.variables
        log = folder / f"{self.label}-{role}.log"
        command = [str(self.binary)]
        program = process.start(pod, command, log, environment=environment, uid=PROXY_UID)
        self.programs[role] = program
        admin = load.Target("127.0.0.1", 4191)
        seconds = process.wait(program, log, lambda: load.is_ok(load.ask(pod, admin, "/ready")))
        self.ready_ms[role] = seconds * 1e3


class Peer(Subject):
    """A proxy without a control plane, ready once it listens."""

    def run(self, pods: Pods, commands: dict[str, list[str]], folder: Path) -> None:
        for role, pod, port in (("server", pods.server, 4143), ("client", pods.client, 4140)):
            log = folder / f"{self.label}-{role}.log"
            program = process.start(pod, commands[role], log, uid=PROXY_UID)
            self.programs[role] = program
            is_ready = partial(process.is_listening, pod, port)
            self.ready_ms[role] = process.wait(program, log, is_ready) * 1e3


class HaProxy(Peer):
    def start(self, pods: Pods, authority: Authority, folder: Path) -> None:
        pods.client.redirect_out(peers.HAPROXY_OUT)
        pods.server.redirect_in(peers.HAPROXY_IN)
        files = peers.haproxy_files(authority, folder).items()
        self.run(pods, {role: [str(self.binary), "-db", "-f", str(f)] for role, f in files}, folder)


class Nginx(Peer):
    def start(self, pods: Pods, authority: Authority, folder: Path) -> None:
        pods.client.redirect_out({mesh.HTTP1.service: 4140})
        pods.server.redirect_in({mesh.HTTP1.pod: 4143})
        files = peers.nginx_files(authority, folder).items()
        begin = [str(self.binary), "-e", "/dev/stderr", "-c"]
        self.run(pods, {role: [*begin, str(file)] for role, file in files}, folder)


def found(program: str) -> Path:
    path = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin")
    if path is None:
        raise process.NotStarted(f"{program} is not installed: `python3 tools/prepare.py bench`")
    return Path(path).resolve()


def make(label: str, binaries: dict[str, Path]) -> Subject:
    """A subject that has not been started; each run makes its own."""
    match label:
        case "none":
            return NoProxy(label)
        case "haproxy":
            return HaProxy(label, found("haproxy"))
        case "nginx":
            return Nginx(label, found("nginx"), frozenset({"http1"}))
        case _:
            return Sidecar(label, binaries[label])
