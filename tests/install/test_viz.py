"""viz as objects: equal each time, unprivileged, and allowed no more than it does."""

import pytest
import yaml

from tulle.install.plan import Given
from tulle.install.values import BadValue
from tulle.install.viz import render, values_from
from tulle.install.viz_allow import scrape_policies

CONTROL = {"clusterDomain": "corp.local", "identityTrustDomain": "trust.local"}


def rendered(*settings, **options):
    return render(values_from(Given(settings=settings, **options), CONTROL), secrets={})


def one(objects, kind, name):
    (found,) = [
        item for item in objects if (item["kind"], item["metadata"]["name"]) == (kind, name)
    ]
    return found


def own(objects):
    """Those of metrics-api and Prometheus, whose rendering is the same each time."""
    names = ("metrics-api", "prometheus")
    return [item for item in objects if item["metadata"]["labels"].get("component") in names]


def test_the_same_values_give_the_same_objects():
    assert own(rendered()) == own(rendered())


def test_every_object_is_found_by_the_extensions_label():
    for item in rendered():
        assert item["metadata"]["labels"]["linkerd.io/extension"] == "viz"


def test_domains_come_from_the_control_plane():
    arguments = container(rendered(), "metrics-api")["args"]
    assert "--cluster-domain=corp.local" in arguments
    url = "--prometheus-url=http://prometheus.tulle-viz.svc.corp.local:9090"
    assert url in arguments


def container(objects, name):
    spec = one(objects, "Deployment", name)["spec"]["template"]["spec"]
    return spec["containers"][0]


@pytest.mark.parametrize("name", ["metrics-api", "prometheus"])
def test_containers_are_unprivileged_and_their_root_is_read_only(name):
    context = container(rendered(), name)["securityContext"]
    assert context["readOnlyRootFilesystem"] is True
    assert context["runAsNonRoot"] is True
    assert context["allowPrivilegeEscalation"] is False
    assert context["capabilities"] == {"drop": ["ALL"]}


@pytest.mark.parametrize("name", ["metrics-api", "prometheus"])
def test_pods_are_meshed_by_the_webhook(name):
    template = one(rendered(), "Deployment", name)["spec"]["template"]
    assert template["metadata"]["annotations"]["linkerd.io/inject"] == "enabled"


def test_metrics_api_reads_and_nothing_else():
    role = one(rendered(), "ClusterRole", "tulle-tulle-viz-metrics-api")
    for rule in role["rules"]:
        assert set(rule["verbs"]) <= {"get", "list", "watch"}
        assert "secrets" not in rule["resources"]


def test_prometheus_has_no_right_and_no_token():
    objects = rendered()
    subjects = [
        subject["name"]
        for item in objects
        if item["kind"].endswith("RoleBinding")
        for subject in item["subjects"]
    ]
    assert "prometheus" not in subjects
    pod = one(objects, "Deployment", "prometheus")["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False


def test_prometheus_bounds_what_it_keeps():
    arguments = container(rendered(), "prometheus")["args"]
    assert "--storage.tsdb.retention.time=6h" in arguments
    assert "--storage.tsdb.retention.size=512MB" in arguments


def test_the_scrape_interval_is_a_value_that_restarts_prometheus():
    before, after = rendered(), rendered("prometheus.scrapeInterval=2s")
    config = one(after, "ConfigMap", "prometheus-config")["data"]["prometheus.yml"]
    assert yaml.safe_load(config)["global"]["scrape_interval"] == "2s"

    def checksum(objects):
        template = one(objects, "Deployment", "prometheus")["spec"]["template"]
        return template["metadata"]["annotations"]["checksum/config"]

    assert checksum(before) != checksum(after)


def test_a_prometheus_of_your_own_takes_the_place_of_ours():
    objects = rendered("prometheus.enabled=false", "prometheusUrl=http://mine:9090")
    assert not [item for item in objects if item["metadata"]["name"] == "prometheus"]
    assert "--prometheus-url=http://mine:9090" in container(objects, "metrics-api")["args"]
    annotations = one(objects, "Namespace", "tulle-viz")["metadata"]["annotations"]
    assert annotations == {"viz.linkerd.io/external-prometheus": "http://mine:9090"}


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ("prometheus.enabled=false", "needs prometheusUrl"),
        ("prometheus.scrapeInterval=often", "is not a duration"),
        ("prometheus.scrapeIntervall=2s", "did you mean prometheus.scrapeInterval"),
    ],
)
def test_a_value_without_sense_is_refused(setting, text):
    with pytest.raises(BadValue, match=text):
        rendered(setting)


def test_only_named_accounts_reach_the_servers():
    objects = rendered()
    found = {
        item["metadata"]["name"]: [entry["name"] for entry in item["spec"]["identityRefs"]]
        for item in objects
        if item["kind"] == "MeshTLSAuthentication"
    }
    assert found["metrics-api-web-prometheus"] == ["web", "prometheus"]
    assert found["prometheus-admin-metrics-api"] == ["metrics-api"]


def test_ha_gives_limits():
    resources = container(rendered(high_availability=True), "metrics-api")["resources"]
    assert resources["limits"] == {"memory": "250Mi"}


def test_a_closed_namespace_is_opened_for_metrics_and_probes_only():
    objects = scrape_policies("bank", "tulle-viz")
    assert {item["metadata"]["namespace"] for item in objects} == {"bank"}
    paths = {
        item["metadata"]["name"]: [
            match["path"]["value"] for match in item["spec"]["rules"][0]["matches"]
        ]
        for item in objects
        if item["kind"] == "HTTPRoute"
    }
    assert paths == {"proxy-metrics": ["/metrics"], "proxy-probes": ["/live", "/ready"]}
    scrape = one(objects, "AuthorizationPolicy", "prometheus-scrape")["spec"]
    assert scrape["targetRef"]["name"] == "proxy-metrics"
    assert scrape["requiredAuthenticationRefs"] == [
        {"kind": "ServiceAccount", "name": "prometheus", "namespace": "tulle-viz"}
    ]
