"""The charts as Helm itself reads them."""

import datetime
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.chart.drawn import DRAWN
from tulle.install import charts
from tulle.install.anchors import Issuer, Sources, verify_issuer
from tulle.local.apiserver import ApiServer

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "helm.md"
CHARTS = Path(__file__).resolve().parents[2] / "charts"


def by_name(items):
    return {item["metadata"]["name"]: item for item in items if item}


def test_helm_renders_the_definitions_that_install_prints(helm):
    done = helm("template", "tulle-crds", *DRAWN, str(CHARTS / "tulle-crds"), "--namespace", "mesh")
    assert done.returncode == 0, done.stderr
    assert by_name(yaml.safe_load_all(done.stdout)) == by_name(charts.resource_definitions("mesh"))


@pytest.mark.parametrize("chart", ["tulle-crds", "tulle", "tulle-viz"])
def test_helm_finds_nothing_wrong_with_a_chart(helm, chart):
    done = helm("lint", "--strict", str(CHARTS / chart))
    assert done.returncode == 0, done.stdout


@pytest.fixture
def page(tmp_path):
    """The blocks of commands of the page about Helm, and a shell in a folder of its own."""
    blocks = PAGE.read_text().split("```")[1::2]

    def run(commands):
        return subprocess.run(
            ["bash", "-euc", commands], cwd=tmp_path, capture_output=True, text=True
        )

    return blocks, run


def test_the_page_makes_an_authority_that_helm_and_the_mesh_take(helm, page, tmp_path):
    (authority, install, _), run = page
    done = run(authority)
    assert done.returncode == 0, done.stderr
    files = re.findall(r"--set-file (\S+)=(\S+)", install)
    texts = [(tmp_path / name).read_text() for _, name in files]
    verify_issuer(Issuer(*texts), Sources(), datetime.datetime.now(datetime.UTC))
    words = [word for key, name in files for word in ("--set-file", f"{key}={tmp_path / name}")]
    done = helm("template", "tulle", *DRAWN, str(CHARTS / "tulle"), *words)
    assert done.returncode == 0, done.stderr


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
