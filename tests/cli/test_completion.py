"""What the shell is offered, of the program alone and of a real cluster."""

import os
import shutil
import subprocess

import pytest
import yaml

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


def run_shell(shell, script, tmp_path):
    """A script in a real shell that knows our completion, with `tulle` on its PATH."""
    from tulle.cli import main

    program = tmp_path / "tulle"
    program.write_text(f'#!/bin/sh\nexec {os.sys.executable} -m {main.__name__} "$@"\n')
    program.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "KUBECONFIG": str(tmp_path / "kubeconfig"),
    }
    done = subprocess.run(
        [shell, "-c", script], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_bash_itself_completes(kubeconfig, tmp_path):
    script = (
        "source <(tulle completion bash); "
        "COMP_WORDS=(tulle viz stat --context nearb); COMP_CWORD=4; "
        '_tulle_completion tulle nearb --context; echo "${COMPREPLY[@]}"'
    )
    assert run_shell("bash", script, tmp_path) == ["nearby"]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_take_the_script(shell, tmp_path):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not on PATH")
    run_shell(
        shell,
        f"tulle completion {shell} > {tmp_path}/script; {shell} -n {tmp_path}/script",
        tmp_path,
    )
