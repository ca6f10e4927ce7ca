"""The program finds commands and extensions, and ends with the right exit code."""

import subprocess
import sys

import pytest

from tulle import names
from tulle.cli.main import COMMANDS


def test_help_names_every_command(tulle):
    done = tulle("--help")
    assert done.returncode == 0
    for name in ("install", "check", "inject", "uninject", "diagnostics"):
        assert f"\n  {name} " in done.stdout


def test_an_unknown_command_is_an_error_of_ours(tulle):
    done = tulle("instal")
    assert done.returncode == 1
    assert "No such command 'instal'" in done.stderr
    assert done.stdout == ""


def test_a_wrong_flag_is_an_error_of_ours(tulle):
    done = tulle("install", "--nope")
    assert done.returncode == 1
    assert "Usage: tulle install" in done.stderr


def test_extensions_on_path_are_commands(tulle, tmp_path):
    program = tmp_path / "tulle-hello"
    program.write_text('#!/bin/sh\necho "hello $*"\nexit 7\n')
    program.chmod(0o755)
    done = tulle("hello", "--to", "you", PATH=f"{tmp_path}:/usr/bin:/bin")
    assert done.stdout == "hello --to you\n"
    assert done.returncode == 7


def test_global_flags_stand_before_or_after_the_command(tulle, parsed):
    for words in (("-L", "mesh", "install"), ("install", "--linkerd-namespace", "mesh")):
        done = tulle(*words, "--ignore-cluster")
        assert done.returncode == 0, done.stderr
        assert parsed(done.stdout)[0]["metadata"]["name"] == "mesh"


def test_a_namespace_that_is_no_name(tulle):
    done = tulle("install", "-L", "a b", "--ignore-cluster")
    assert done.returncode == 1
    assert "'a b' is not the name of a namespace" in done.stderr


def test_version_without_a_cluster(tulle):
    assert tulle("version", "--client").stdout == f"Client version: {names.VERSION}\n"
    done = tulle("version")
    assert done.returncode == 0
    assert done.stdout.endswith("Server version: unavailable\n")
    assert tulle("version", "--short", "--client").stdout == f"{names.VERSION}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(tulle, shell):
    done = tulle("completion", shell)
    assert done.returncode == 0
    assert "_TULLE_COMPLETE" in done.stdout


def test_completion_of_a_shell_that_is_none(tulle):
    assert tulle("completion", "tcsh").returncode == 1


def test_the_shell_completes_commands(tulle):
    done = tulle(_TULLE_COMPLETE="bash_complete", COMP_WORDS="tulle unin", COMP_CWORD="1")
    assert set(done.stdout.split()) == {"plain,uninject", "plain,uninstall"}


def test_help_reads_nothing_heavy():
    """What makes a start slow is what it imports; a time would tell of the machine."""
    script = (
        "import sys; from tulle.cli.main import run; run(['--help']); "
        "print(*{m.partition('.')[0] for m, loaded in sys.modules.items() if loaded})"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.rsplit("\n", 2)[-2].split())
    assert "click" in loaded
    assert not loaded & {"grpc", "google", "cryptography", "httpx", "yaml", "uvicorn", "websockets"}


def test_every_command_that_exists_answers_for_help(tulle):
    listed = tulle("--help").stdout
    for name in COMMANDS:
        if f"\n  {name} " in listed:
            assert tulle(name, "--help").returncode == 0, name


def test_no_cluster_is_said_in_words(tulle):
    done = tulle("install")
    assert done.returncode == 1
    assert "no-kubeconfig" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_cluster_that_does_not_answer(tulle, tmp_path):
    config = tmp_path / "config"
    config.write_text(
        "{apiVersion: v1, kind: Config, current-context: x,"
        " clusters: [{name: x, cluster: {server: 'https://127.0.0.1:1'}}],"
        " users: [{name: x, user: {token: t}}],"
        " contexts: [{name: x, context: {cluster: x, user: x}}]}"
    )
    done = tulle("install", kubeconfig=config)
    assert done.returncode == 1
    assert "cannot reach the Kubernetes API at https://127.0.0.1:1" in done.stderr
    done = tulle("check", "--wait", "0s", kubeconfig=config)
    assert done.returncode == 1
    assert "× the Kubernetes API answers" in done.stdout
    assert done.stdout.endswith("Status check results are ×\n")


def test_older_scripts_are_told_where_their_commands_are(tulle):
    done = tulle("stat", "deploy")
    assert done.returncode == 1
    assert "note: `tulle stat` is deprecated; it is `tulle viz stat` now" in done.stderr
    assert "no-kubeconfig" in done.stderr


@pytest.mark.parametrize(
    "words",
    [("--cni-namespace", "nets", "install-cni"), ("install-cni", "--cni-namespace", "nets")],
)
def test_the_namespace_of_the_cni_plugin_is_named_anywhere(tulle, parsed, words):
    items = parsed(tulle(*words).stdout)
    assert {item["metadata"].get("namespace") for item in items} == {"nets", None}
    assert tulle("--cni-namespace", "a b", "install-cni").returncode == 1
