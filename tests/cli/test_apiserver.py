"""The commands against a real API server, with the real kubectl."""

import shutil
import subprocess
import time

import pytest
import yaml

from tulle import names

pytestmark = pytest.mark.apiserver

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: default}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "web:1"}]}
"""


@pytest.fixture
def kubectl(api_server):
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not on PATH")

    def run(*words, stdin=""):
        command = ["kubectl", "--kubeconfig", str(api_server.kubeconfig), *words]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def cluster(tulle, api_server):
    return lambda *words, **options: tulle(*words, kubeconfig=api_server.kubeconfig, **options)


@pytest.fixture
def definitions(cluster, kubectl):
    kubectl("apply", "-f", "-", stdin=cluster("install", "--crds").stdout)
    kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=20s")


@pytest.fixture
def installed(cluster, kubectl, definitions):
    """A control plane of its own namespace, gone after the test."""
    done = cluster("install", "-L", "mesh")
    assert done.returncode == 0, done.stderr
    kubectl("apply", "-f", "-", stdin=done.stdout)
    yield
    found = cluster("uninstall", "-L", "mesh", "--force").stdout
    kept = [o for o in yaml.safe_load_all(found) if o and o["kind"] != "CustomResourceDefinition"]
    kubectl("delete", "--wait=false", "-f", "-", stdin=yaml.safe_dump_all(kept))
    # No controller runs here that would empty the namespace, so it is finished by hand.
    empty = (
        '{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"mesh"},"spec":{"finalizers":[]}}'
    )
    kubectl("replace", "--raw", "/api/v1/namespaces/mesh/finalize", "-f", "-", stdin=empty)


def test_install_asks_for_the_definitions_first(cluster, kubectl):
    kubectl("delete", "crd", "--all", "--ignore-not-found")
    done = cluster("install")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "tulle install --crds | kubectl apply -f -" in done.stderr


@pytest.mark.parametrize("flags", [(), ("--ha",)])
def test_the_api_server_takes_the_manifests(cluster, kubectl, definitions, flags):
    done = cluster("install", *flags)
    assert done.returncode == 0, done.stderr
    namespace = next(yaml.safe_load_all(done.stdout))
    kubectl("apply", "-f", "-", stdin=yaml.safe_dump(namespace))
    taken = kubectl("apply", "--server-side", "--dry-run=server", "-f", "-", stdin=done.stdout)
    assert "deployment.apps/tulle-identity serverside-applied" in taken
    assert "mutatingwebhookconfiguration" in taken


def test_install_says_what_the_gateway_api_would_add(cluster):
    done = cluster("install", "--crds")
    assert done.returncode == 0
    assert "notice: the cluster has no Gateway API" in done.stderr
    assert "gateway.networking.k8s.io" not in done.stdout


def test_install_reads_the_api_servers_port(cluster, definitions, api_server):
    port = api_server.url.rpartition(":")[2]
    assert f"kubeAPIServerPorts: 443,{port}" in cluster("install").stdout


def test_a_second_install_points_at_upgrade(cluster, installed):
    done = cluster("install", "-L", "mesh")
    assert done.returncode == 1
    assert "tulle upgrade | kubectl apply -f -" in done.stderr


def test_upgrade_renders_what_is_there(cluster, kubectl, installed):
    done = cluster("upgrade", "-L", "mesh")
    assert done.returncode == 0, done.stderr
    lines = kubectl("apply", "-f", "-", stdin=done.stdout).splitlines()
    assert [line for line in lines if not line.endswith("unchanged")] == []


def test_upgrade_changes_what_is_asked(cluster, installed):
    done = cluster("upgrade", "-L", "mesh", "--controller-replicas", "2")
    assert "replicas: 2" in done.stdout


def test_upgrade_without_an_install(cluster, definitions):
    done = cluster("upgrade", "-L", "elsewhere")
    assert done.returncode == 1
    assert names.OVERRIDES_SECRET in done.stderr


def test_uninstall_names_everything_once(cluster, installed, kubectl):
    done = cluster("uninstall", "-L", "mesh", "--force")
    objects = [o for o in yaml.safe_load_all(done.stdout) if o]
    kinds = [o["kind"] for o in objects]
    assert kinds[0] == "MutatingWebhookConfiguration"
    assert kinds.count("Deployment") == 3
    assert {"Namespace", "ClusterRole", "Secret", "ServiceAccount"} <= set(kinds)
    assert all(set(o["metadata"]) <= {"name", "namespace"} for o in objects)


def test_uninstall_of_nothing(cluster):
    done = cluster("uninstall", "-L", "elsewhere")
    assert done.returncode == 1
    assert "nothing carries the label" in done.stderr


def test_inject_reads_the_values_of_the_cluster(cluster, installed):
    done = cluster("inject", "-", "-L", "mesh", "--manual", stdin=DEPLOYMENT)
    assert done.returncode == 0, done.stderr
    assert "identity.mesh.cluster.local" in done.stdout or "_l5d_ns" in done.stdout
    assert "BEGIN CERTIFICATE" in done.stdout


def test_what_inject_writes_is_accepted(cluster, installed, kubectl):
    for words in ((), ("--manual",)):
        done = cluster("inject", "-", "-L", "mesh", *words, stdin=DEPLOYMENT)
        taken = kubectl("apply", "--dry-run=server", "-f", "-", stdin=done.stdout)
        assert "deployment.apps/web created" in taken


def test_inject_without_an_install(cluster):
    done = cluster("inject", "-", "-L", "elsewhere", stdin=DEPLOYMENT)
    assert done.returncode == 1
    assert "no ConfigMap tulle-config" in done.stderr


def test_check_before_an_install(cluster):
    start = time.monotonic()
    done = cluster("check", "--pre", "-L", "empty")
    assert time.monotonic() - start < 3
    assert done.returncode == 0, done.stdout
    lines = done.stdout.splitlines()
    assert lines[:3] == ["kubernetes-api", "-" * 14, "√ a client of the Kubernetes API can be made"]
    assert "pre-kubernetes-setup" in lines
    assert lines[-1] == "Status check results are √"


def test_check_where_nothing_is_installed(cluster):
    done = cluster("check", "--wait", "0s", "-L", "elsewhere")
    assert done.returncode == 1
    assert "× the ConfigMap tulle-config exists" in done.stdout
    assert "    see https://tulle.dev/checks/#l5d-existence-linkerd-config for hints" in done.stdout


def test_check_as_json_and_short(cluster, definitions):
    done = cluster("check", "--crds", "-o", "json")
    found = yaml.safe_load(done.stdout)
    assert found["success"] is True
    assert found["categories"][-1]["categoryName"] == "tulle-crd"
    assert found["categories"][-1]["checks"][0]["result"] == "success"
    short = cluster("check", "--crds", "-o", "short").stdout
    assert "√ " not in short.replace("results are √", "")


def test_check_waits_for_pods(cluster, installed):
    start = time.monotonic()
    done = cluster("check", "--wait", "2s", "-L", "mesh")
    assert time.monotonic() - start >= 2
    assert done.returncode == 1
    assert "× the control plane's ReplicaSets are ready" in done.stdout


def test_a_user_without_rights(cluster):
    done = cluster("check", "--pre", "--as", "somebody", "-L", "empty")
    assert done.returncode == 1
    assert "not allowed to create serviceaccounts" in done.stdout
    done = cluster("install", "--as", "somebody")
    assert done.returncode == 1
    assert "not allowed" in done.stderr
    assert "Traceback" not in done.stderr


def test_version_of_an_install_without_pods(cluster, installed):
    done = cluster("version", "-L", "mesh", "--proxy")
    assert done.returncode == 0
    assert "Server version: unavailable" in done.stdout


def test_endpoints_where_no_destination_runs(cluster, installed):
    done = cluster("diagnostics", "endpoints", "web.default.svc.cluster.local:80", "-L", "mesh")
    assert done.returncode == 1
    assert "no pod of tulle-destination runs" in done.stderr


def test_prune_finds_what_no_install_has(cluster, installed, kubectl):
    assert cluster("prune", "-L", "mesh").stdout == ""
    kubectl("create", "configmap", "old", "-n", "mesh")
    kubectl("label", "configmap", "old", "-n", "mesh", f"{names.CONTROL_NAMESPACE_LABEL}=mesh")
    found = [o for o in yaml.safe_load_all(cluster("prune", "-L", "mesh").stdout) if o]
    assert found == [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "old", "namespace": "mesh"}}
    ]


SERVER = """\
apiVersion: policy.linkerd.io/v1beta3
kind: Server
metadata: {name: http, namespace: default}
spec: {podSelector: {}, port: 80}
---
apiVersion: policy.linkerd.io/v1alpha1
kind: AuthorizationPolicy
metadata: {name: anyone, namespace: default}
spec:
  targetRef: {group: policy.linkerd.io, kind: Server, name: http}
  requiredAuthenticationRefs: []
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: default}
spec: {containers: [{name: web, image: "web:1"}], automountServiceAccountToken: false}
"""


def test_authz_lists_what_holds(cluster, definitions, kubectl):
    account = '{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}'
    kubectl("apply", "-n", "default", "-f", "-", stdin=account)
    kubectl("apply", "-f", "-", stdin=SERVER)
    done = cluster("authz", "po/web", "-n", "default")
    kubectl("delete", "--force", "-f", "-", stdin=SERVER)
    assert done.stdout.split() == [
        *("ROUTE", "SERVER", "AUTHORIZATION_POLICY", "SERVER_AUTHORIZATION"),
        *("*", "http", "anyone"),
    ]
    assert "does not exist in the namespace" in cluster("authz", "po/no", "-n", "default").stderr


def test_uninstall_leaves_out_what_goes_with_its_namespace(cluster, kubectl, definitions):
    """A pipe to kubectl delete would fail at objects that vanish meanwhile."""
    policies = cluster("viz", "allow-scrapes", "-n", "leaving").stdout
    kubectl("create", "namespace", "leaving")
    kubectl("apply", "-f", "-", stdin=policies)
    assert "namespace: leaving" in cluster("viz", "uninstall").stdout
    kubectl("delete", "namespace", "leaving", "--wait=false")
    done = cluster("viz", "uninstall")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "nothing of viz to uninstall" in done.stderr


def test_viz_keeps_its_values_and_prunes_what_is_no_part_of_it(cluster, kubectl, installed):
    def viz(*words):
        done = cluster("viz", *words, "-L", "mesh", "--viz-namespace", "mesh-viz")
        assert done.returncode == 0, done.stderr
        return done.stdout

    without = cluster("viz", "upgrade", "-L", "mesh", "--viz-namespace", "mesh-viz")
    assert without.returncode == 1
    assert "tulle viz install" in without.stderr
    kubectl("apply", "-f", "-", stdin=viz("install", "--set", "prometheus.retention=2h"))
    try:
        again = viz("upgrade")
        assert "--storage.tsdb.retention.time=2h" in again
        lines = kubectl("apply", "-f", "-", stdin=again).splitlines()
        assert [line for line in lines if not line.endswith("unchanged")] == []
        assert viz("prune") == ""
        left = yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {
                    "name": "grafana",
                    "namespace": "mesh-viz",
                    "labels": {"linkerd.io/extension": "viz"},
                },
            }
        )
        kubectl("apply", "-f", "-", stdin=left)
        kubectl("create", "namespace", "scraped")
        scrapes = cluster("viz", "allow-scrapes", "-n", "scraped").stdout
        kubectl("apply", "-f", "-", stdin=scrapes)
        (found,) = yaml.safe_load_all(viz("prune"))
        assert found["metadata"] == {"name": "grafana", "namespace": "mesh-viz"}
        assert "retention.time=3h" in viz("upgrade", "--set", "prometheus.retention=3h")
    finally:
        kubectl("delete", "--wait=false", "-f", "-", stdin=cluster("viz", "uninstall").stdout)
