"""The charts as Helm itself reads them."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from tulle.install import charts
from tulle.local.apiserver import ApiServer

CACHE = Path(os.environ.get("TULLE_CACHE", Path.home() / ".cache" / "tulle"))
HELM = CACHE / "peers" / "bin" / "helm"
DRAWN = ("--kube-version", "1.34.0")  # without a cluster, Helm supposes an ancient one
CHARTS = Path(__file__).resolve().parents[2] / "charts"


@pytest.fixture
def helm(tmp_path):
    if not HELM.exists():
        pytest.skip("Helm is not built; tools/prepare.py peers does it")
    folders = {f"HELM_{word}_HOME": str(tmp_path / word) for word in ("CACHE", "CONFIG", "DATA")}

    def run(*words):
        return subprocess.run(
            [HELM, *words],
            capture_output=True,
            text=True,
            env={**os.environ, **folders, "KUBECONFIG": str(tmp_path / "none")},
        )

    return run


def by_name(items):
    return {item["metadata"]["name"]: item for item in items if item}


def test_helm_renders_the_definitions_that_install_prints(helm):
    done = helm("template", "tulle-crds", *DRAWN, str(CHARTS / "tulle-crds"), "--namespace", "mesh")
    assert done.returncode == 0, done.stderr
    assert by_name(yaml.safe_load_all(done.stdout)) == by_name(charts.resource_definitions("mesh"))


def test_helm_finds_nothing_wrong_with_the_definitions(helm):
    done = helm("lint", "--strict", str(CHARTS / "tulle-crds"))
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("chart", "command"),
    [
        ("tulle", "tulle install --values YOUR-VALUES.yaml | kubectl apply -f -"),
        ("tulle-viz", "tulle viz install --values YOUR-VALUES.yaml | kubectl apply -f -"),
    ],
)
def test_a_chart_without_templates_says_what_renders_it(helm, chart, command):
    done = helm("template", chart, *DRAWN, str(CHARTS / chart))
    assert done.returncode == 1
    assert command in done.stderr


@pytest.mark.apiserver
def test_helm_installs_upgrades_and_takes_away_the_definitions(helm, tmp_path):
    """On an API server of its own: the one that tests share has definitions by others."""
    if missing := ApiServer.missing():
        pytest.skip(f"not built: {', '.join(missing)}")
    chart = str(CHARTS / "tulle-crds")
    with ApiServer(tmp_path / "apiserver") as server:
        for words in (
            ("install", "tulle-crds", chart),
            ("upgrade", "tulle-crds", chart),
            ("uninstall", "tulle-crds"),
        ):
            access = ("--kubeconfig", str(server.kubeconfig), "--namespace", "default")
            done = helm(*words, *access)
            assert done.returncode == 0, done.stderr
