"""The objects of the dashboard: what its account may do, and where it keeps its history."""

from tulle.install.plan import Given
from tulle.install.viz import render, values_from
from tulle.viz.web.__main__ import parser
from tulle.viz.web.watched import kinds

WRITING = {"create", "update", "patch", "delete", "deletecollection", "*"}


def rendered(*settings):
    items = render(values_from(Given(settings=settings), {}), "tulle-viz", None)
    return [item for item in items if item["metadata"]["labels"].get("component") == "web"]


def of(items, kind):
    return [item for item in items if item["kind"] == kind]


def rules(items):
    roles = [*of(items, "ClusterRole"), *of(items, "Role")]
    return [rule for role in roles for rule in role["rules"]]


def test_its_account_writes_nothing_and_reads_no_pod_and_no_secret():
    items = rendered()
    for rule in rules(items):
        assert not WRITING & set(rule["verbs"])
        assert not {"pods", "secrets", "*"} & set(rule["resources"])
    configured = [rule for rule in rules(items) if "configmaps" in rule["resources"]]
    assert [rule["resourceNames"] for rule in configured] == [["tulle-identity-trust-roots"]]
    for item in (*of(items, "Role"), *of(items, "RoleBinding")):
        assert item["metadata"]["namespace"] == "tulle"


def test_it_may_list_and_watch_all_that_its_journal_follows():
    granted = {
        (group, resource)
        for rule in rules(rendered())
        if {"list", "watch"} <= set(rule["verbs"])
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    for kind in kinds("tulle"):
        for path in kind.paths:
            root, _, resource = path.rpartition("/")
            group = root.split("/")[2] if root.startswith("/apis/") else ""
            assert (group, resource) in granted, path


def test_its_right_to_tap_can_be_withheld():
    names = {item["metadata"]["name"] for item in of(rendered(), "ClusterRoleBinding")}
    assert "tulle-tulle-viz-web-admin" in names
    fewer = rendered("dashboard.restrictPrivileges=true")
    names = {item["metadata"]["name"] for item in of(fewer, "ClusterRoleBinding")}
    assert "tulle-tulle-viz-web-admin" not in names


def test_its_history_lies_on_a_folder_of_its_own_beside_a_root_that_is_only_read():
    (found,) = of(rendered("dashboard.history.maxMebibytes=64"), "Deployment")
    pod = found["spec"]["template"]["spec"]
    assert pod["volumes"] == [{"name": "history", "emptyDir": {"sizeLimit": "128Mi"}}]
    container = pod["containers"][0]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["runAsNonRoot"] is True
    options = parser().parse_args(container["args"])
    assert options.history_file == f"{container['volumeMounts'][0]['mountPath']}/history.db"
    assert (options.history_series, options.history_mebibytes) == (2000, 64)
    assert options.controller_namespace == "tulle"
