"""`tulle local` at the terminal: what it says when there is no cluster, no root, no such log."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from tulle.cli.local import command


@pytest.fixture
def runner(tmp_path: Path) -> CliRunner:
    return CliRunner(env={"TULLE_LOCAL_ROOT": str(tmp_path / "clusters")})


def test_load_without_a_cluster_says_how_to_start_it(runner: CliRunner) -> None:
    done = runner.invoke(command, ["load", "x.tar", "--name", "demo"])
    assert done.exit_code == 1
    assert "tulle local up --name demo" in done.stderr


def test_status_without_a_cluster_fails_and_says_so(runner: CliRunner) -> None:
    done = runner.invoke(command, ["status"])
    assert done.exit_code == 1
    assert "does not exist" in done.stdout


def test_status_is_json_even_then(runner: CliRunner) -> None:
    done = runner.invoke(command, ["status", "-o", "json"])
    assert '"running": false' in done.stdout


def test_down_without_a_cluster_is_no_error(runner: CliRunner) -> None:
    done = runner.invoke(command, ["down", "--purge"])
    assert done.exit_code == 0
    assert "does not run" in done.stderr


@pytest.mark.parametrize("words", [["logs"], ["kubeconfig"]])
def test_what_needs_a_cluster_says_that_there_is_none(runner: CliRunner, words: list[str]) -> None:
    done = runner.invoke(command, words)
    assert done.exit_code == 1
    assert "cluster local" in done.stderr


def test_a_bad_name_is_refused(runner: CliRunner) -> None:
    done = runner.invoke(command, ["up", "--name", "Not/OK"])
    assert done.exit_code == 1
    assert "cannot name a cluster" in done.stderr


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_without_root_up_says_so_and_writes_nothing(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    program = (
        "import os; from tulle.cli.local import command; os.setgroups([]); os.setuid(65534);"
        "command(['up'])"
    )
    root = tmp_path / "clusters"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "TULLE_LOCAL_ROOT": str(root), "TULLE_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "needs root: run `sudo tulle local up`" in done.stderr
    assert list(tmp_path.iterdir()) == []
