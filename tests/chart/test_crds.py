"""The definitions are what the contract says, and a real API server holds our objects to them."""

import subprocess

import pytest
import yaml

from tulle.install import charts

GOOD = {
    "linkerd.io/v1alpha2/ServiceProfile": {
        "routes": [
            {
                "name": "GET /books",
                "condition": {"method": "GET", "pathRegex": "/books"},
                "responseClasses": [{"condition": {"status": {"min": 500}}, "isFailure": True}],
                "isRetryable": True,
                "timeout": "300ms",
            }
        ],
        "retryBudget": {"retryRatio": 0.2, "minRetriesPerSecond": 10, "ttl": "10s"},
        "dstOverrides": [{"authority": "a.b.svc.cluster.local:80", "weight": "500m"}],
    },
    "policy.linkerd.io/v1beta3/Server": {
        "podSelector": {"matchLabels": {"app": "web"}},
        "port": "http",
        "proxyProtocol": "HTTP/2",
    },
    "policy.linkerd.io/v1alpha1/Server": {"podSelector": {}, "port": 80},
    "policy.linkerd.io/v1beta1/ServerAuthorization": {
        "server": {"name": "web"},
        "client": {
            "networks": [{"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}],
            "meshTLS": {"identities": ["*", "*.shop.serviceaccount.identity.tulle.cluster.local"]},
        },
    },
    "policy.linkerd.io/v1alpha1/AuthorizationPolicy": {
        "targetRef": {"group": "policy.linkerd.io", "kind": "Server", "name": "web"},
        "requiredAuthenticationRefs": [{"kind": "ServiceAccount", "name": "default"}],
    },
    "policy.linkerd.io/v1alpha1/MeshTLSAuthentication": {"identities": ["*"]},
    "policy.linkerd.io/v1alpha1/NetworkAuthentication": {"networks": [{"cidr": "0.0.0.0/0"}]},
    "policy.linkerd.io/v1beta3/HTTPRoute": {
        "parentRefs": [{"kind": "Service", "group": "core", "name": "web", "port": 80}],
        "rules": [
            {
                "matches": [{"path": {"type": "Exact", "value": "/a"}, "method": "GET"}],
                "filters": [
                    {"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["x"]}}
                ],
                "backendRefs": [
                    {"name": "v1", "port": 80, "weight": 9},
                    {"name": "v2", "port": 80},
                ],
                "timeouts": {"request": "1s"},
            }
        ],
    },
    "policy.linkerd.io/v1alpha1/EgressNetwork": {"trafficPolicy": "Allow"},
    "policy.linkerd.io/v1alpha1/HTTPLocalRateLimitPolicy": {
        "targetRef": {"group": "policy.linkerd.io", "kind": "Server", "name": "web"},
        "total": {"requestsPerSecond": 100},
        "overrides": [
            {
                "requestsPerSecond": 10,
                "clientRefs": [{"kind": "ServiceAccount", "name": "a", "namespace": "b"}],
            }
        ],
    },
    "workload.linkerd.io/v1beta1/ExternalWorkload": {
        "meshTLS": {"identity": "spiffe://root/vm", "serverName": "vm.cluster.local"},
        "ports": [{"name": "http", "port": 80}],
        "workloadIPs": [{"ip": "192.0.2.1"}],
    },
    "split.smi-spec.io/v1alpha1/TrafficSplit": {
        "service": "web",
        "backends": [{"service": "v1", "weight": "900m"}, {"service": "v2", "weight": "100m"}],
    },
    "split.smi-spec.io/v1alpha4/TrafficSplit": {
        "service": "web",
        "matches": [{"kind": "HTTPRouteGroup", "name": "g"}],
        "backends": [{"service": "v1", "weight": 90}],
    },
    "specs.smi-spec.io/v1alpha3/HTTPRouteGroup": {
        "matches": [{"name": "a", "headers": [{"user": ".*"}]}],
    },
    "specs.smi-spec.io/v1alpha4/HTTPRouteGroup": {
        "matches": [{"name": "a", "pathRegex": "/a", "methods": ["*"], "headers": {"user": ".*"}}],
    },
}
BAD = [
    ("linkerd.io/v1alpha2/ServiceProfile", {"routes": [{"name": "a"}]}, "condition"),
    ("policy.linkerd.io/v1beta3/Server", {"podSelector": {}}, "spec.port: Required"),
    (
        "policy.linkerd.io/v1beta3/Server",
        {"podSelector": {}, "externalWorkloadSelector": {}, "port": 80},
        "oneOf",
    ),
    (
        "policy.linkerd.io/v1alpha1/MeshTLSAuthentication",
        {"identities": ["*"], "identityRefs": [{"kind": "ServiceAccount"}]},
        "oneOf",
    ),
    ("policy.linkerd.io/v1alpha1/MeshTLSAuthentication", {"identities": ["a.*"]}, "should match"),
    ("policy.linkerd.io/v1alpha1/EgressNetwork", {"trafficPolicy": "Maybe"}, "supported values"),
    (
        "policy.linkerd.io/v1beta3/HTTPRoute",
        {"rules": [{"matches": [{"method": "FETCH"}]}]},
        "supported values",
    ),
    ("split.smi-spec.io/v1alpha4/TrafficSplit", {"service": "web"}, "spec.backends: Required"),
    ("specs.smi-spec.io/v1alpha4/HTTPRouteGroup", {"matches": [{}]}, "name: Required"),
]


def served(definition):
    return {v["name"] for v in definition["spec"]["versions"] if v["served"]}


def test_versions_and_the_stored_one():
    found = {
        d["metadata"]["name"]: (
            served(d),
            [v["name"] for v in d["spec"]["versions"] if v["storage"]],
        )
        for d in charts.resource_definitions()
    }
    assert found["serviceprofiles.linkerd.io"] == ({"v1alpha1", "v1alpha2"}, ["v1alpha2"])
    assert found["servers.policy.linkerd.io"] == (
        {"v1alpha1", "v1beta1", "v1beta2", "v1beta3"},
        ["v1beta3"],
    )
    assert found["httproutes.policy.linkerd.io"][1] == ["v1beta3"]
    assert found["externalworkloads.workload.linkerd.io"][1] == ["v1beta1"]
    assert found["trafficsplits.split.smi-spec.io"][0] == {
        f"v1alpha{number}" for number in (1, 2, 3, 4)
    }
    assert len(found) == 12


def test_short_names():
    found = {
        d["spec"]["names"]["kind"]: d["spec"]["names"].get("shortNames", [])
        for d in charts.resource_definitions()
    }
    assert found["ServiceProfile"] == ["sp"]
    assert found["Server"] == ["srv"]
    assert found["ServerAuthorization"] == ["saz", "serverauthz", "srvauthz"]
    assert found["NetworkAuthentication"] == ["netauthn", "networkauthn"]


def test_files_and_names_agree():
    for path in (charts.directory() / "tulle-crds" / "templates").glob("*.yaml"):
        definition = yaml.safe_load(path.read_text())
        assert definition["spec"]["names"]["plural"] == path.stem


@pytest.fixture(scope="module")
def kubectl(api_server):
    def run(*words, stdin):
        command = ["kubectl", "--kubeconfig", str(api_server.kubeconfig), *words, "-f", "-"]
        return subprocess.run(command, input=stdin, capture_output=True, text=True)

    text = yaml.safe_dump_all(charts.resource_definitions())
    assert run("apply", stdin=text).returncode == 0
    subprocess.run(
        [
            "kubectl",
            "--kubeconfig",
            str(api_server.kubeconfig),
            "wait",
            "crd",
            "--all",
            "--for=condition=Established",
            "--timeout=20s",
        ],
        check=True,
        capture_output=True,
    )
    return run


def custom_object(key, spec):
    group_version, _, kind = key.rpartition("/")
    metadata = {"name": "x.default.svc.cluster.local", "namespace": "default"}
    return yaml.safe_dump(
        {"apiVersion": group_version, "kind": kind, "metadata": metadata, "spec": spec}
    )


@pytest.mark.apiserver
@pytest.mark.parametrize("key", sorted(GOOD))
def test_a_good_object_is_accepted(kubectl, key):
    done = kubectl(
        "create", "--dry-run=server", "--validate=strict", stdin=custom_object(key, GOOD[key])
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.apiserver
@pytest.mark.parametrize(("key", "spec", "said"), BAD)
def test_a_bad_object_is_refused(kubectl, key, spec, said):
    done = kubectl("create", "--dry-run=server", stdin=custom_object(key, spec))
    assert done.returncode == 1
    assert said in done.stderr
