"""The load generator's counts, against a server that fails when it is told to."""

import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "examples" / "todo" / "load.py"


class EveryThirdFails(BaseHTTPRequestHandler):
    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        self.send_response(503 if self.path == "/fails" and self.asked % 3 == 0 else 200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(
    ("path", "code", "counted"), [("/", 0, "9 requests, 0 failed"), ("/fails", 1, "3 x status 503")]
)
def test_failures_are_counted_and_end_in_the_exit_code(path: str, code: int, counted: str) -> None:
    EveryThirdFails.asked = 0
    with HTTPServer(("127.0.0.1", 0), EveryThirdFails) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}{path}"
        command = [sys.executable, str(SCRIPT), "--rate", "90", "--seconds", "0.1", url]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        server.shutdown()
        thread.join()
    assert (done.returncode, counted in done.stdout) == (code, True), done.stdout


def test_a_long_run_reports_as_it_goes() -> None:
    with HTTPServer(("127.0.0.1", 0), EveryThirdFails) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/"
        times = ["--rate", "90", "--seconds", "0.25", "--every", "0.1"]
        command = [sys.executable, str(SCRIPT), *times, url]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        server.shutdown()
        thread.join()
    counts = [line.split(" ")[0] for line in done.stdout.splitlines() if "failed" in line]
    assert counts == ["9", "18", "22"], done.stdout
