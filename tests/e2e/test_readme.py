"""The example's README, typed line by line in a namespace of its own."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from cluster import TULLE, Cluster

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "examples" / "todo" / "README.md"


def blocks() -> list[str]:
    """The shell blocks after the one that packs images, which the node has already."""
    found = re.findall(r"^```sh\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)
    assert "tools/images.py" in found[0]
    return [block.replace("--seconds 60", "--seconds 5") for block in found[1:]]


@pytest.fixture(scope="module")
def shell(viz: Cluster, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of someone whose current context names a fresh namespace."""
    viz.namespace("readme", meshed=False)
    kubeconfig = tmp_path_factory.mktemp("readme") / "config"
    shutil.copy(viz.kubeconfig, kubeconfig)
    environment = {
        **os.environ,
        "KUBECONFIG": str(kubeconfig),
        "PATH": f"{TULLE.parent}:{os.environ['PATH']}",
    }
    command = ["kubectl", "config", "set-context", "--current", "--namespace=readme"]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return environment


def test_its_commands_work_as_typed(shell: dict[str, str]) -> None:
    typed = "\n".join(blocks())
    command = ["bash", "-euxo", "pipefail", "-c", typed]
    done = subprocess.run(
        command, cwd=ROOT, env=shell, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'deployment "todoui" injected' in done.stderr
    assert "breakfast" in done.stdout
