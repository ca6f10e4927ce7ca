"""`tulle viz list` and `allow-scrapes`, whole."""

import asyncio
import os
import sys
from pathlib import Path

import pytest_asyncio
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tapped import serving

SOURCE = Path(__file__).resolve().parents[2] / "src"
TAP = {"name": "LINKERD2_PROXY_TAP_SVC_NAME", "value": "tap"}


def pod(name, namespace="shop", env=(), **metadata):
    proxy = {"name": "tulle-proxy", "env": list(env)}
    found = {"name": name, "namespace": namespace, **metadata}
    return {"metadata": found, "spec": {"containers": [{"name": "app"}], "initContainers": [proxy]}}


PODS = (
    pod("web-2", env=[TAP]),
    pod("web-1", env=[TAP]),
    pod("old"),
    pod("shy", annotations={"viz.linkerd.io/disable-tap": "true"}),
    pod("far", "away", env=[TAP]),
    pod("identity", "tulle", labels={"linkerd.io/control-plane-component": "identity"}),
)


@pytest_asyncio.fixture
async def viz(tmp_path):
    async with serving(tmp_path) as served:
        served.objects["/api/v1/pods"] = {"kind": "PodList", "items": PODS}

        async def run(*words):
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tulle.cli.main", "viz", *words),
                env={**os.environ, "PYTHONPATH": str(SOURCE), "KUBECONFIG": str(served.kubeconfig)},
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            out, err = await process.communicate()
            return process.returncode, out.decode(), err.decode()

        yield run


async def test_pods_by_whether_they_can_be_tapped(viz):
    code, out, err = await viz("list", "-n", "shop")
    assert (code, err) == (0, "")
    assert out == (
        "pods with tap enabled:\n\t* shop/web-1\n\t* shop/web-2\n\n"
        "pods with tap disabled by an annotation:\n\t* shop/shy\n\n"
        "pods that know nothing of tap, to be restarted:\n\t* shop/old\n"
    )


async def test_all_namespaces_without_the_control_plane(viz):
    _, out, _ = await viz("list", "-A")
    assert "\t* away/far\n" in out
    assert "identity" not in out


async def test_no_meshed_pods(viz):
    assert await viz("list", "-n", "empty") == (0, "", "no meshed pods in the namespace empty\n")


async def test_scrapes_are_let_in_by_policy(viz):
    code, out, _ = await viz("--viz-namespace", "watch", "allow-scrapes", "-n", "shop")
    assert code == 0
    objects = list(yaml.safe_load_all(out))
    assert [(item["kind"], item["metadata"]["name"]) for item in objects] == [
        ("Server", "proxy-admin"),
        ("HTTPRoute", "proxy-metrics"),
        ("HTTPRoute", "proxy-probes"),
        ("AuthorizationPolicy", "prometheus-scrape"),
        ("NetworkAuthentication", "proxy-probes"),
        ("AuthorizationPolicy", "proxy-probes"),
    ]
    assert {item["metadata"]["namespace"] for item in objects} == {"shop"}
    scrape = objects[3]["spec"]["requiredAuthenticationRefs"]
    assert [(item["name"], item["namespace"]) for item in scrape] == [("prometheus", "watch")]


async def test_every_command_takes_the_namespace_of_viz(viz):
    for name in ("list", "tap", "top"):
        code, out, _ = await viz(name, "--viz-namespace", "watch", "--help")
        assert (code, "--viz-namespace" in out) == (0, True)
