"""Two pods as network namespaces joined by a veth pair, redirected as an init container does it."""

import ctypes
import os
import subprocess
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self, TypeVar

T = TypeVar("T")

PROXY_UID = 2102
CLIENT_IP, SERVER_IP = "10.244.0.10", "10.244.0.20"
SERVICE_IP = "10.96.0.10"
INBOUND, OUTBOUND = 4143, 4140
# Admin and tap are never redirected.
OWN_PORTS = (4190, 4191)

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


def run(*command: str) -> None:
    done = subprocess.run(command, text=True, capture_output=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")


class Pod:
    """One network namespace; commands and functions can be run inside it."""

    def __init__(self, name: str, ip: str) -> None:
        self.name, self.ip = name, ip
        self.path = f"/var/run/netns/{name}"

    def inside(self, command: list[str], uid: int | None = None) -> list[str]:
        """The command that runs `command` here; each program execs the next, so the pid stays."""
        as_user = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"] if uid else []
        return ["nsenter", f"--net={self.path}", *as_user, *command]

    def run(self, *command: str) -> None:
        run(*self.inside(list(command)))

    def call(self, function: Callable[[], T]) -> T:
        """Runs it in a thread that has entered this namespace."""
        results: list[T] = []
        errors: list[BaseException] = []

        def body() -> None:
            descriptor = os.open(self.path, os.O_RDONLY)
            try:
                if LIBC.setns(descriptor, CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), f"setns {self.path}")
                results.append(function())
            except BaseException as error:  # handed to the caller below
                errors.append(error)
            finally:
                os.close(descriptor)

        thread = threading.Thread(target=body)
        thread.start()
        thread.join()
        if errors:
            raise errors[0]
        return results[0]

    def rule(self, chain: str, *words: str) -> None:
        self.run("iptables", "-w", "-t", "nat", "-A", chain, *words)

    def chain(self, name: str) -> None:
        self.run("iptables", "-w", "-t", "nat", "-N", name)

    def redirect_in(self, by_port: Mapping[int, int] | None = None) -> None:
        """All TCP that comes in goes to the inbound port, or each port to its own listener."""
        self.chain("PROXY_IN")
        skipped = ",".join(map(str, OWN_PORTS))
        self.rule(
            "PROXY_IN", *["-p", "tcp", "-m", "multiport"], "--dports", skipped, "-j", "RETURN"
        )
        self._to_ports("PROXY_IN", by_port, INBOUND)
        self.rule("PREROUTING", "-j", "PROXY_IN")

    def redirect_out(self, by_port: Mapping[int, int] | None = None) -> None:
        """All TCP that goes out, but for the proxy's own and loopback."""
        self.chain("PROXY_OUT")
        owner = ("-m", "owner", "--uid-owner", str(PROXY_UID), "-j", "RETURN")
        self.rule("PROXY_OUT", *owner)
        self.rule("PROXY_OUT", "-o", "lo", "-j", "RETURN")
        self._to_ports("PROXY_OUT", by_port, OUTBOUND)
        self.rule("OUTPUT", "-j", "PROXY_OUT")

    def _to_ports(self, chain: str, by_port: Mapping[int, int] | None, whole: int) -> None:
        for port, listener in (by_port or {}).items():
            words = f"-p tcp --dport {port} -j REDIRECT --to-port {listener}".split()
            self.rule(chain, *words)
        if by_port is None:
            self.rule(chain, *f"-p tcp -j REDIRECT --to-port {whole}".split())


class Pods:
    """The two pods, made fresh on entry and taken away at the end."""

    def __init__(self, prefix: str) -> None:
        self.client = Pod(f"{prefix}-c", CLIENT_IP)
        self.server = Pod(f"{prefix}-s", SERVER_IP)

    def __enter__(self) -> Self:
        self.close()
        client, server = self.client, self.server
        for pod in (client, server):
            run("ip", "netns", "add", pod.name)
            pod.run("ip", "link", "set", "lo", "up")
        ends = ["eth0", "netns", client.name, "type", "veth", "peer", "eth0", "netns", server.name]
        run("ip", "link", "add", *ends)
        for pod, peer in ((client, server), (server, client)):
            pod.run("ip", "address", "add", f"{pod.ip}/24", "dev", "eth0")
            pod.run("ip", "link", "set", "eth0", "up")
            pod.run("ip", "route", "add", "default", "via", peer.ip)
            ports = "net.ipv4.ip_local_port_range=16000 65000"
            reuse = "net.ipv4.tcp_tw_reuse=1"
            pod.run("sysctl", "-qw", ports, "net.core.somaxconn=4096", reuse)
        return self

    def close(self) -> None:
        for pod in (self.client, self.server):
            if os.path.exists(pod.path):  # noqa: PTH110 - a bind mount, not a file of ours
                run("ip", "netns", "del", pod.name)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
