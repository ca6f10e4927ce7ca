"""The pages are compared with what the program says when it runs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src"


@pytest.fixture
def tulle(tmp_path):
    def run(*words):
        environment = {**os.environ, "PYTHONPATH": str(SOURCE), "KUBECONFIG": str(tmp_path / "no")}
        command = [sys.executable, "-W", "error", "-m", "tulle.cli.main", *words]
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)

    return run
