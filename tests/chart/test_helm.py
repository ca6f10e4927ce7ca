"""The charts as Helm itself reads them."""

from pathlib import Path

import pytest
import yaml

from tests.chart.drawn import DRAWN
from tulle.install import charts
from tulle.local.apiserver import ApiServer

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
