"""Discovery and relabelling together: which labels the series of a pod's proxy will carry."""

import re

import pytest

from tulle.install.plan import Given
from tulle.install.viz import values_from
from tulle.install.viz_objects import Viz, VizPlace
from tulle.install.viz_scrape import configuration
from tulle.viz import pods
from tulle.viz.targets import target_groups


@pytest.fixture
def jobs():
    viz = Viz(VizPlace("tulle-viz", "test"), values_from(Given(), {}))
    return {job["job_name"]: job for job in configuration(viz)["scrape_configs"]}


def relabelled(labels, rules):
    """As Prometheus applies them; None: the target is not scraped."""
    labels = dict(labels)
    for rule in rules:
        action = rule["action"]
        regex = re.compile(f"^(?:{rule.get('regex', '(.*)')})$")
        if action in ("labelmap", "labeldrop"):
            found = {name: regex.match(name) for name in list(labels)}
            for name, match in found.items():
                if match and action == "labeldrop":
                    del labels[name]
                elif match:
                    new = rule.get("replacement", "$1").replace("$1", match[1])
                    labels[new] = labels[name]
            continue
        value = ";".join(labels.get(name, "") for name in rule["source_labels"])
        if action == "replace" and value:
            labels[rule["target_label"]] = value
        elif (action == "keep" and not regex.match(value)) or (
            action == "drop" and regex.match(value)
        ):
            return None
    return {name: text for name, text in labels.items() if not name.startswith("__")}


def series_labels(item, job):
    groups = target_groups([pods.read(item)], frozenset())
    found = [relabelled(group["labels"], job["relabel_configs"]) for group in groups]
    return [labels for labels in found if labels is not None]


def test_a_meshed_pod_is_found_by_its_workload(new_pod, jobs):
    item = new_pod(
        "web-1",
        app="web",
        **{
            "linkerd.io/proxy-deployment": "web",
            "linkerd.io/workload-ns": "shop",
            "pod-template-hash": "abc",
        },
    )
    assert series_labels(item, jobs["linkerd-proxy"]) == [
        {
            "namespace": "shop",
            "pod": "web-1",
            "deployment": "web",
            "control_plane_ns": "tulle",
            "workload_ns": "shop",
            "pod_template_hash": "abc",
            "app": "web",
        }
    ]


def test_the_job_of_a_pod_does_not_take_the_scrapes_own(new_pod, jobs):
    item = new_pod("mail-1", **{"linkerd.io/proxy-job": "mail", "job": "mine"})
    (labels,) = series_labels(item, jobs["linkerd-proxy"])
    assert labels["k8s_job"] == "mail"
    assert "job" not in labels


@pytest.mark.parametrize("name", ["direction", "namespace", "dst_pod", "classification", "pod"])
def test_a_pods_own_label_hides_no_label_of_the_metrics(new_pod, jobs, name):
    item = new_pod("web-1")
    item["metadata"]["labels"][name] = "mine"
    (labels,) = series_labels(item, jobs["linkerd-proxy"])
    assert labels.get(name) != "mine"


def test_a_pods_own_deployment_label_loses_to_its_owner(new_pod, jobs):
    item = new_pod("web-1", deployment="mine", **{"linkerd.io/proxy-deployment": "web"})
    (labels,) = series_labels(item, jobs["linkerd-proxy"])
    assert labels["deployment"] == "web"


def test_only_this_meshs_running_proxies_are_asked(new_pod, jobs):
    job = jobs["linkerd-proxy"]
    assert series_labels(new_pod("a", meshed=False), job) == []
    assert series_labels(new_pod("b", phase="Succeeded"), job) == []
    other = new_pod("c", **{"linkerd.io/control-plane-ns": "linkerd"})
    assert series_labels(other, job) == []


def test_the_control_planes_admin_ports_are_asked_as_components(new_pod, jobs):
    item = new_pod("tulle-identity-1", "tulle")
    item["spec"]["containers"] = [
        {"name": "identity", "ports": [{"name": "ident-admin", "containerPort": 9990}]}
    ]
    assert series_labels(item, jobs["linkerd-controller"]) == [
        {"namespace": "tulle", "pod": "tulle-identity-1", "component": "identity"}
    ]
    url = jobs["linkerd-controller"]["http_sd_configs"][0]["url"]
    assert url.endswith("/targets?namespace=tulle&namespace=tulle-viz")


def test_targets_are_of_the_namespaces_that_were_named(new_pod):
    found = [pods.read(new_pod("a", "tulle")), pods.read(new_pod("b", "shop"))]
    groups = target_groups(found, frozenset({"tulle"}))
    assert [group["labels"]["__meta_kubernetes_pod_name"] for group in groups] == ["a"]
    assert groups[0]["targets"] == ["10.1.0.7:4191"]


def test_an_ipv6_target_stands_in_brackets(new_pod):
    item = new_pod("a")
    item["status"]["podIP"] = "fd00::7"
    assert target_groups([pods.read(item)], frozenset())[0]["targets"] == ["[fd00::7]:4191"]
