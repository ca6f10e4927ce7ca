"""Helm installs definitions, control plane and viz, upgrades them and takes them away again.

It needs a cluster without the mesh, so it runs after the story that uninstalls it.
"""

import datetime
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from cluster import Cluster

from tulle.install.anchors import make_issuer

CHARTS = Path(__file__).resolve().parents[2] / "charts"
CACHE = Path(os.environ.get("TULLE_CACHE", Path.home() / ".cache" / "tulle"))
HELM = CACHE / "peers" / "bin" / "helm"
RELEASES = {"tulle-crds": "tulle", "tulle": "tulle", "tulle-viz": "tulle-viz"}  # namespace of each
LOCAL_CLUSTER = "/tulle-local-addresses"  # of the launcher, not of the mesh
SECRETS = {
    "tulle-identity-issuer": "tulle",
    "tulle-proxy-injector-k8s-tls": "tulle",
    "tulle-policy-validator-k8s-tls": "tulle",
    "tap-k8s-tls": "tulle-viz",
    "tap-injector-k8s-tls": "tulle-viz",
}
TRUSTED = {
    "mutatingwebhookconfiguration/tulle-proxy-injector-webhook-config": (
        "{.webhooks[0].clientConfig.caBundle}"
    ),
    "validatingwebhookconfiguration/tulle-policy-validator-webhook-config": (
        "{.webhooks[0].clientConfig.caBundle}"
    ),
    "apiservice/v1alpha1.tap.linkerd.io": "{.spec.caBundle}",
}

Helm = Callable[..., str]


@pytest.fixture
def helm(bare: Cluster, tmp_path: Path) -> Helm:
    if not HELM.exists():
        pytest.skip("Helm is not built; tools/prepare.py peers does it")
    if bare.run("kubectl", "get", "namespace", "tulle", check=False).code == 0:
        pytest.skip("the cluster has a mesh already")
    folders = [f"HELM_{word}_HOME={tmp_path / word}" for word in ("CACHE", "CONFIG", "DATA")]
    context = ["--kube-context", bare.context] if bare.context else []

    def run(verb: str, release: str, *words: str) -> str:
        chart = [str(CHARTS / release)] if verb != "uninstall" else []
        place = ["--namespace", RELEASES[release], *context]
        command = ["env", *folders, str(HELM), verb, release, *chart, *place, *words]
        return bare.run(*command, timeout=300).out

    return run


@pytest.fixture
def authority(tmp_path: Path) -> list[str]:
    """The options that give Helm a trust anchor and an issuer."""
    made = make_issuer("tulle", "cluster.local", datetime.datetime.now(datetime.UTC))
    texts = {
        "identityTrustAnchorsPEM": made.trust_anchors,
        "identity.issuer.tls.crtPEM": made.certificate,
        "identity.issuer.tls.keyPEM": made.key,
    }
    words = []
    for key, text in texts.items():
        (tmp_path / key).write_text(text)
        words += ["--set-file", f"{key}={tmp_path / key}"]
    return words


def certificates(cluster: Cluster) -> dict[str, str]:
    """All that is served, and all that the API server is told to trust."""
    found = {
        name: cluster.kubectl("-n", namespace, "get", "secret", name, "-o", "jsonpath={.data}")
        for name, namespace in SECRETS.items()
    }
    for name, path in TRUSTED.items():
        found[name] = cluster.kubectl("get", name, "-o", f"jsonpath={path}")
    return found


def generation(cluster: Cluster) -> str:
    """How often the control plane's Deployments were changed."""
    path = "jsonpath={.items[*].metadata.generation}"
    return cluster.kubectl("-n", "tulle", "get", "deployments", "-o", path)


def left(cluster: Cluster) -> list[str]:
    """What is of the mesh, beside the namespaces, which Helm leaves."""
    kinds = "crd,clusterrole,clusterrolebinding,mutatingwebhookconfiguration,apiservice"
    kinds += ",validatingwebhookconfiguration"
    names = cluster.kubectl("get", kinds, "-o", "name").splitlines()
    marks = ("tulle", "linkerd.io", "smi-spec")
    ours = [name for name in names if any(mark in name for mark in marks)]
    for namespace in ("tulle", "tulle-viz", "kube-system"):
        inside = "deployment,service,secret,configmap,serviceaccount,role,rolebinding,job"
        words = ("-n", namespace, "get", inside, "-o", "name")
        found = cluster.kubectl(*words).splitlines()
        if namespace == "kube-system":
            found = [name for name in found if "/tulle-tulle-viz" in name]
        ours += [name for name in found if not name.endswith(("/kube-root-ca.crt", "/default"))]
    return [name for name in ours if not name.endswith(LOCAL_CLUSTER)]


def test_helm_installs_upgrades_and_leaves_nothing(
    bare: Cluster, helm: Helm, authority: list[str]
) -> None:
    wait = ("--wait", "--timeout", "150s")
    helm("install", "tulle-crds", "--create-namespace")
    helm("install", "tulle", *wait, *authority)
    helm("install", "tulle-viz", "--create-namespace", *wait)
    checked = bare.tulle("check")
    assert "the pods of viz are meshed" in checked.out

    before, generations = certificates(bare), generation(bare)
    assert all(before.values())
    helm("upgrade", "tulle")
    assert generation(bare) == generations, "without a change there is nothing to roll out"
    helm("upgrade", "tulle-viz", "--set", "defaultLogLevel=debug")
    helm("upgrade", "tulle", *wait, "--set", "controllerLogLevel=debug")
    for namespace in ("tulle", "tulle-viz"):
        deployments = bare.kubectl("-n", namespace, "get", "deployments", "-o", "yaml")
        assert "--log-level=debug" in deployments
    assert certificates(bare) == before

    for release in reversed(RELEASES):
        helm("uninstall", release)
    bare.until(lambda: left(bare) == [], "nothing of the mesh is left")
    bare.kubectl("delete", "namespace", "tulle-viz", "tulle")
