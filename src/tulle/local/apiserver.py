"""etcd and kube-apiserver alone, on loopback, up in four seconds: for tests of the control plane.

    with ApiServer(tmp_path) as api:      # skip the test when `ApiServer.missing()` names a binary
        kubectl("--kubeconfig", str(api.kubeconfig), "get", "ns")

`api.url`, `api.pki` (ca.crt, admin.crt, admin.key, sa.key …) and `api.kubeconfig` say the rest. No
controllers run: the test writes EndpointSlices and ServiceAccounts itself. Ends with the `with`.
"""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tulle.local import components, pki
from tulle.local.api import Api
from tulle.local.errors import StartTimeout
from tulle.local.paths import caches

READY_SECONDS = 60.0
POLL_SECONDS = 0.1
SERVICE_RANGE = "10.96.0.0/16"
SERVICE_ADDRESS = "10.96.0.1"


def binaries() -> Path:
    """$TULLE_BIN, else the launcher's cache."""
    folder = os.environ.get("TULLE_BIN")
    return Path(folder) if folder else caches().bin


class ApiServer:
    """One API server with its own etcd and authority, below `directory`."""

    def __init__(
        self, directory: Path, domain: str = "cluster.local", extra_flags: Sequence[str] = ()
    ) -> None:
        self.directory = directory
        self.pki = directory / "pki"
        self.kubeconfig = self.pki / "admin.kubeconfig"
        self.url = ""
        self._domain = domain
        self._extra_flags = tuple(extra_flags)
        self._processes: list[subprocess.Popen[bytes]] = []

    @staticmethod
    def missing() -> list[str]:
        """The binaries that are not there; `tulle local up` (or TULLE_BIN) brings them."""
        folder = binaries()
        return [name for name in ("etcd", "kube-apiserver") if not (folder / name).exists()]

    def __enter__(self) -> Self:
        self.directory.mkdir(parents=True, exist_ok=True)
        client, peer, secure = _free_ports(3)
        self.url = f"https://127.0.0.1:{secure}"
        leaves = pki.leaves("none", "127.0.0.1", SERVICE_ADDRESS, self._domain)
        pki.ensure(self.pki, leaves, self.url, "tulle-test")
        try:
            folder = binaries()
            self._start(components.etcd(folder, self.directory / "etcd", client, peer))
            flags = components.ApiServerFlags(
                address="127.0.0.1",
                port=secure,
                etcd_port=client,
                service_range=SERVICE_RANGE,
                domain=self._domain,
                bind_address="127.0.0.1",
            )
            command = components.kube_apiserver(folder, self.pki, flags)
            self._start([*command, *self._extra_flags])
            self._await_ready()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._stop()

    def _start(self, command: Sequence[str]) -> None:
        log = self.directory / f"{Path(command[0]).name}.log"
        with log.open("ab") as sink:
            process = subprocess.Popen(
                command, stdout=sink, stderr=sink, stdin=subprocess.DEVNULL, start_new_session=True
            )
        self._processes.append(process)

    def _await_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        with Api(self.kubeconfig) as api:
            while time.monotonic() < deadline:
                ended = [p.args for p in self._processes if p.poll() is not None]
                if ended:
                    raise StartTimeout(f"a server ended at once: see the logs in {self.directory}")
                if api.is_ok("/readyz") and api.is_ok("/api/v1/namespaces/default"):
                    return
                time.sleep(POLL_SECONDS)
        raise StartTimeout(f"kube-apiserver is not ready: see the logs in {self.directory}")

    def _stop(self) -> None:
        """Nothing here outlives the test, so no time is spent on an orderly end."""
        for process in reversed(self._processes):
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.wait()
        self._processes.clear()


def _free_ports(count: int) -> list[int]:
    """Ports free a moment ago; all are held until the last is found, so they differ."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [held.getsockname()[1] for held in sockets]
    for held in sockets:
        held.close()
    return ports
