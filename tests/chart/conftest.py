"""Helm itself, as the tests of the charts run it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.chart.drawn import DRAWN
from tulle.install.charts import Loader

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

CACHE = Path(os.environ.get("TULLE_CACHE", Path.home() / ".cache" / "tulle"))
HELM = CACHE / "peers" / "bin" / "helm"


def pytest_collection_modifyitems(items):
    for item in items:
        if "helm" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.helm)


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


@pytest.fixture
def drawn(helm, tmp_path):
    """What `helm template` makes of a chart with some values laid over its own."""

    def draw(chart, values, *words, check=True):
        path = tmp_path / "values.yaml"
        path.write_text(yaml.safe_dump(values))
        place = ("--namespace", chart, "--values", str(path))
        done = helm("template", chart, str(ROOT / "charts" / chart), *DRAWN, *place, *words)
        if not check:
            return done
        assert done.returncode == 0, done.stderr
        return [item for item in yaml.load_all(done.stdout, Loader=Loader) if item]

    return draw
