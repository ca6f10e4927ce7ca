"""The chart tulle-viz is what `tulle viz install` prints, object by object."""

import pytest
import yaml
from charting.marks import leaves
from cryptography import x509

from tests.chart.drawn import another, assert_same, both, merge, tree
from tulle.install import charts, own_namespace
from tulle.install.plan import Given
from tulle.install.values import FREE_MAPS
from tulle.install.viz import render, values_from

CHART = "tulle-viz"
LEGAL = {
    "prometheus.scrapeInterval": "1m30s",
    "prometheus.retention": "1d",
    "tap.ignoreHeaders": ["authorization", ":path"],
    "prometheus.scrapeConfigs": [{"job_name": "more", "static_configs": [{"targets": ["a:1"]}]}],
    "prometheus.metricRelabelConfigs": [{"action": "drop", "regex": "a{{b}}%s"}],
    "prometheus.remoteWrite": [{"url": "http://far:9090/api"}],
    "tolerations": [{"operator": "Exists"}],
    "imagePullSecrets": [{"name": "mine"}],
    "dashboard.enforcedHostRegexp": r"^(localhost|a\.b%20\"')$",
}
PATHS = [path for path, _ in leaves(charts.viz_values(), FREE_MAPS)]


def by_command_line(tmp_path, values, namespace=CHART):
    path = tmp_path / "given.yaml"
    path.write_text(yaml.safe_dump(values))
    found = values_from(Given(files=[str(path)]), {})
    return render(found, namespace, {}, maker="helm")


def rendered(drawn, tmp_path, values, namespace=CHART):
    helms = drawn(CHART, values, "--namespace", namespace)
    return both(helms, by_command_line(tmp_path, values, namespace))


def test_the_defaults(drawn, tmp_path):
    helms, ours = rendered(drawn, tmp_path, {})
    assert len(ours) > 40
    assert_same(helms, ours)


def test_another_namespace(drawn, tmp_path):
    helms, ours = rendered(drawn, tmp_path, {}, "mesh")
    assert_same(helms, ours)


def test_high_availability(drawn, tmp_path):
    helms, ours = rendered(drawn, tmp_path, charts.viz_high_availability_values())
    assert_same(helms, ours)


@pytest.mark.parametrize("path", PATHS)
def test_each_value_alone(drawn, tmp_path, path):
    defaults = dict(leaves(charts.viz_values(), FREE_MAPS))
    values = tree(path, LEGAL.get(path, another(defaults[path])))
    if path == "prometheus.enabled":
        values["prometheusUrl"] = "http://elsewhere:9090"
    helms, ours = rendered(drawn, tmp_path, values)
    assert_same(helms, ours)


def test_all_values_together_and_all_empty_ones(drawn, tmp_path):
    defaults = dict(leaves(charts.viz_values(), FREE_MAPS))
    everything = {}
    for path in PATHS:
        if path != "prometheus.enabled":
            merge(everything, tree(path, LEGAL.get(path, another(defaults[path]))))
    helms, ours = rendered(drawn, tmp_path, everything)
    assert_same(helms, ours)
    nothing = {}
    for path in PATHS:
        if not isinstance(defaults[path], bool) and path not in LEGAL and defaults[path] != "":
            merge(
                nothing,
                tree(path, None if isinstance(defaults[path], str) else type(defaults[path])()),
            )
    helms, ours = rendered(drawn, tmp_path, nothing)
    assert_same(helms, ours)


def test_numbers_stand_for_their_text_and_a_text_for_a_list_of_it(drawn, tmp_path):
    values = {"controllerImageVersion": 12, "tap": {"ignoreHeaders": "cookie"}}
    helms, ours = rendered(drawn, tmp_path, values)
    assert_same(helms, ours)


def test_the_hook_gives_the_namespace_what_the_command_line_writes(drawn, tmp_path):
    values = {"prometheusUrl": "http://a=b:9090", "commonLabels": {"example.com/x": "z"}}
    (job,) = [item for item in drawn(CHART, values) if item["kind"] == "Job"]
    namespace, *_ = by_command_line(tmp_path, values)
    name, *words = job["spec"]["template"]["spec"]["containers"][0]["args"]
    assert name == namespace["metadata"]["name"]
    patched = own_namespace.patch_of(own_namespace.parser().parse_args([name, *words]))
    metadata = {key: namespace["metadata"][key] for key in ("labels", "annotations")}
    assert patched == {"metadata": metadata}


def test_what_is_served_is_trusted_and_for_the_service(drawn):
    objects = {(item["kind"], item["metadata"]["name"]): item for item in drawn(CHART, {})}
    trusted = {
        "tap": objects["APIService", "v1alpha1.tap.linkerd.io"]["spec"]["caBundle"],
        "tap-injector": objects[
            "MutatingWebhookConfiguration", "tulle-tap-injector-webhook-config"
        ]["webhooks"][0]["clientConfig"]["caBundle"],
    }
    for service, bundle in trusted.items():
        served = objects["Secret", f"{service}-k8s-tls"]["data"]["tls.crt"]
        assert served == bundle
        certificate = x509.load_pem_x509_certificate(yaml.safe_load(f"!!binary {served}"))
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        assert names.value.get_values_for_type(x509.DNSName) == [f"{service}.{CHART}.svc"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"prometheus": {"enabled": False}}, "prometheus.enabled=false needs prometheusUrl"),
        ({"prometheus": {"retention": "6x"}}, 'prometheus.retention is "6x", which is not a dur'),
        ({"tap": {"ignoreHeaders": ["a b"]}}, 'tap.ignoreHeaders holds "a b", which is not the'),
        ({"tap": {"replica": 3}}, "at '/tap': additional properties 'replica' not allowed"),
        ({"tap": {"replicas": "a"}}, "at '/tap/replicas': got string, want number"),
    ],
)
def test_a_bad_value_is_refused_in_words(drawn, values, said):
    done = drawn(CHART, values, check=False)
    assert done.returncode == 1
    assert said in done.stderr
