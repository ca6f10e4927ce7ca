"""Two pods, a redirect between them, and the account of a process, for real."""

import os
import socket
import subprocess
import sys
import time

import pytest

from bench.sidecars import accounting
from bench.sidecars.pods import PROXY_UID, SERVER_IP, SERVICE_IP, Pods

pytestmark = pytest.mark.root


def accepted_at(listener):
    connection, _ = listener.accept()
    with connection:
        return connection.getsockname()


def test_what_goes_out_is_redirected_but_for_the_proxys_own():
    with Pods(f"tb{os.getpid()}") as pods:
        pods.client.redirect_out()

        def listen(host, port):
            listener = socket.create_server((host, port))
            listener.settimeout(10)
            return listener

        with (
            pods.client.call(lambda: listen("127.0.0.1", 4140)) as proxy,
            pods.server.call(lambda: listen(SERVER_IP, 8080)) as server,
            pods.client.call(lambda: socket.create_connection((SERVICE_IP, 80), 10)),
        ):
            assert accepted_at(proxy) == ("127.0.0.1", 4140)
            dial = f"import socket; socket.create_connection(('{SERVER_IP}', 8080), 10).close()"
            command = pods.client.inside([sys.executable, "-c", dial], PROXY_UID)
            subprocess.run(command, check=True)
            assert accepted_at(server) == (SERVER_IP, 8080)
    assert not os.path.exists(f"/var/run/netns/tb{os.getpid()}-c")  # noqa: PTH110


def test_an_account_sees_what_a_process_took():
    script = "input(); x = b'x' * 50_000_000; sum(range(3_000_000)); print(len(x)); input()"
    program = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def grown(account):
        return account.peak_kib["it"]["anonymous"] - account.before_kib["it"]["anonymous"]

    with program:
        with accounting.Account({"it": program.pid}) as account:
            print(file=program.stdin, flush=True)
            program.stdout.readline()
            deadline = time.monotonic() + 30
            while grown(account) < 40_000 and time.monotonic() < deadline:
                time.sleep(0.05)
        print(file=program.stdin, flush=True)
    assert grown(account) > 40_000
    assert account.cpu["it"] > 0
