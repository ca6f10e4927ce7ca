"""The program as a user runs it, in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

SOURCE = Path(__file__).resolve().parents[2] / "src"

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def tulle(tmp_path) -> Run:
    """Runs `tulle …` without any cluster, unless `kubeconfig` names one."""

    def run(
        *words: str, stdin: str = "", kubeconfig: Path | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        variables = {**os.environ, "PYTHONPATH": str(SOURCE), **environment}
        variables["KUBECONFIG"] = str(kubeconfig or tmp_path / "no-kubeconfig")
        command = [sys.executable, "-m", "tulle.cli.main", *words]
        return subprocess.run(
            command, input=stdin, capture_output=True, text=True, env=variables, timeout=60
        )

    return run


def documents(text: str) -> list[Any]:
    return [document for document in yaml.safe_load_all(text) if document is not None]


@pytest.fixture
def parsed() -> Callable[[str], list[Any]]:
    return documents
