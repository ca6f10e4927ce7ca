"""What the shell is offered, of the program alone and of a real cluster."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from terminal import Terminal

CONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "near",
    "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
    "users": [{"name": "u", "user": {"token": "t"}}],
    "contexts": [
        {"name": name, "context": {"cluster": "c", "user": "u"}} for name in ("near", "nearby")
    ],
}


def offered(tulle, line, **options):
    """What bash would be offered for the last word of a line; click asks by the environment."""
    words = line.split(" ")
    done = tulle(
        _TULLE_COMPLETE="bash_complete",
        COMP_WORDS="\n".join(words),
        COMP_CWORD=str(len(words) - 1),
        **options,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return [found.partition(",")[2] for found in done.stdout.splitlines() if found]


@pytest.fixture
def kubeconfig(tmp_path):
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(CONFIG))
    return path


def test_contexts(tulle, kubeconfig):
    assert offered(tulle, "tulle viz stat --context nearb", kubeconfig=kubeconfig) == ["nearby"]


def test_kinds(tulle):
    assert offered(tulle, "tulle viz edges dep") == ["deployments"]
    assert offered(tulle, "tulle viz top se") == []
    assert offered(tulle, "tulle viz stat se") == ["services"]
    assert offered(tulle, "tulle viz tap deploy/web --to dae") == ["daemonsets"]


def test_a_cluster_that_is_not_there_offers_nothing(tulle, kubeconfig):
    assert offered(tulle, "tulle viz stat deploy/w", kubeconfig=kubeconfig) == []
    assert offered(tulle, "tulle viz stat deploy -n s", kubeconfig=kubeconfig) == []


@pytest.fixture
def cluster(tulle, api_server):
    def run(line):
        return offered(tulle, line, kubeconfig=api_server.kubeconfig)

    return run


@pytest.mark.apiserver
async def test_objects_of_the_cluster(api, cluster):
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "completed"}}
    await api.create("/api/v1/namespaces", namespace)
    for name in ("web", "worker", "cart"):
        template = {
            "metadata": {"labels": {"app": name}},
            "spec": {"containers": [{"name": "app", "image": "app:1"}]},
        }
        spec = {"selector": {"matchLabels": {"app": name}}, "template": template}
        body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}}
        path = "/apis/apps/v1/namespaces/completed/deployments"
        await api.create(path, {**body, "spec": spec})
    assert cluster("tulle viz stat -n compl") == ["completed"]
    assert cluster("tulle viz stat -n completed deploy/w") == ["deploy/web", "deploy/worker"]
    assert cluster("tulle viz stat -n completed deployments c") == ["cart"]
    assert cluster("tulle viz tap -n completed deploy") == [
        *("deployments", "deploy/cart", "deploy/web", "deploy/worker"),
    ]
    assert cluster("tulle -L compl") == ["completed"]


@pytest.fixture
def environment(tmp_path, kubeconfig):
    """With our own `tulle` on PATH, and none of the user's set-up of his shells."""
    from tulle.cli import main

    program = tmp_path / "tulle"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m {main.__name__} "$@"\n')
    program.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    own = {"PATH": path, "HOME": str(tmp_path), "KUBECONFIG": str(kubeconfig)}
    return {**os.environ, **own, "XDG_CONFIG_HOME": str(tmp_path)}


def needs(shell):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not on PATH")


def run_shell(shell, script, environment):
    command = [shell, "-c", script]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_bash_itself_completes(environment):
    script = (
        "source <(tulle completion bash); "
        "COMP_WORDS=(tulle viz stat --context nearb); COMP_CWORD=4; "
        '_tulle_completion tulle nearb --context; echo "${COMPREPLY[@]}"'
    )
    assert run_shell("bash", script, environment).split() == ["nearby"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("tulle viz stat --context nearb", ["nearby"]),
        ("tulle viz edges dep", ["deployments"]),
        ("tulle completion ", ["bash", "fish", "zsh"]),
        # What stands beside a word is whole, with its comma.
        ("tulle viz stat --api", ["--api-addr\tTalk to a component there, past Kubernetes."]),
    ],
)
def test_fish_itself_completes(environment, line, expected):
    needs("fish")
    script = f'tulle completion fish | source; complete -C "{line}"'
    assert run_shell("fish", script, environment).splitlines() == expected


def test_zsh_itself_completes(environment):
    """Typed at its prompt, by a user who has not set up completion: Tab, then Enter."""
    needs("zsh")
    with Terminal(["zsh", "-f", "-i"], environment, columns=120) as terminal:

        def typed(keys, shown):
            terminal.press(keys)
            terminal.until(lambda lines: shown in lines)

        # Shown in two parts, so that what is echoed is not what is waited for.
        typed("PS1='> '; print rea''dy\n", "ready")
        typed(
            "source <(tulle completion zsh); tulle() { print -r \"<$*>\" }; print sou''rced\n",
            "sourced",
        )
        typed("tulle viz edges dep\t\n", "<viz edges deployments>")
        typed("tulle viz stat --context nearb\t\n", "<viz stat --context nearby>")
        typed("tulle completion --contex\t\n", "<completion --context>")
