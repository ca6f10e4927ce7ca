"""Checks that the objects of an install are there, and that its pods run."""

import ipaddress
from typing import Any

import yaml

from tulle import names
from tulle.install import charts
from tulle.install.checks.facts import Facts
from tulle.install.checks.model import Category, Check, Failed, Level, Skipped
from tulle.install.rbac import cluster_role_name

Json = dict[str, Any]

ACCOUNTS = (names.DESTINATION, names.IDENTITY, names.PROXY_INJECTOR)
COMPONENTS = {
    "destination": names.DESTINATION,
    "identity": names.IDENTITY,
    "proxy-injector": names.PROXY_INJECTOR,
}


def values(facts: Facts) -> Json:
    config = facts.one("config")
    if config is None:
        raise Failed(
            f"the ConfigMap {facts.namespace}/{names.CONFIG_CONFIGMAP} does not exist, so no "
            "control plane is installed there; install one with `tulle install`, or say where it "
            "is with -L"
        )
    found: Json = yaml.safe_load((config.get("data") or {}).get("values") or "") or {}
    return found


def _config(facts: Facts) -> None:
    values(facts)


def _replica_sets(facts: Facts) -> None:
    waiting = []
    for item in facts.many("replicasets"):
        wanted = (item.get("spec") or {}).get("replicas", 0)
        ready = (item.get("status") or {}).get("readyReplicas", 0)
        if wanted and ready < wanted:
            waiting.append(f"{item['metadata']['name']} ({ready} of {wanted})")
    if waiting:
        raise Failed(f"ReplicaSets are not ready: {', '.join(waiting)}")
    if not facts.many("replicasets"):
        raise Failed(f"the namespace {facts.namespace} has no ReplicaSet yet")


def _unschedulable(facts: Facts) -> None:
    found = []
    for pod in facts.many("control pods"):
        conditions = (pod.get("status") or {}).get("conditions") or []
        found += [
            f"{pod['metadata']['name']}: {condition.get('message', '')}"
            for condition in conditions
            if condition.get("reason") == "Unschedulable"
        ]
    if found:
        raise Failed(f"no node takes {'; '.join(found)}")


def _pods_ready(facts: Facts) -> None:
    missing = []
    for component, name in COMPONENTS.items():
        pods = [pod for pod in facts.many("control pods") if _component(pod) == component]
        if not any(is_ready(pod) for pod in pods):
            missing.append(f"{name} ({_why(pods)})")
    if missing:
        raise Failed(f"no ready pod of {', '.join(missing)}")


def _component(pod: Json) -> str:
    return str((pod["metadata"].get("labels") or {}).get(names.COMPONENT_LABEL, ""))


def is_ready(pod: Json) -> bool:
    status = pod.get("status") or {}
    conditions = {item["type"]: item["status"] for item in status.get("conditions") or []}
    return status.get("phase") == "Running" and conditions.get("Ready") == "True"


def _why(pods: list[Json]) -> str:
    """The first container of the first pod that says what it waits for."""
    for pod in pods:
        status = pod.get("status") or {}
        statuses = [
            *(status.get("initContainerStatuses") or []),
            *(status.get("containerStatuses") or []),
        ]
        for container in statuses:
            waiting = (container.get("state") or {}).get("waiting") or {}
            if waiting.get("reason") and waiting["reason"] != "PodInitializing":
                message = f": {waiting['message']}" if waiting.get("message") else ""
                return f"container {container['name']} is {waiting['reason']}{message}"
        for container in statuses:
            if not container.get("ready") and "running" in (container.get("state") or {}):
                return f"container {container['name']} runs but is not ready"
        return f"its pod is {status.get('phase', 'Pending')}"
    return "no pod exists"


def _networks(facts: Facts) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    listed = str(values(facts).get("clusterNetworks", ""))
    return [ipaddress.ip_network(item.strip()) for item in listed.split(",") if item.strip()]


def _outside(facts: Facts, addresses: dict[str, str]) -> list[str]:
    networks = _networks(facts)
    return [
        f"{name} ({address})"
        for name, address in addresses.items()
        if not any(ipaddress.ip_address(address) in network for network in networks)
    ]


def _node_networks(facts: Facts) -> None:
    ranges = {
        item["metadata"]["name"]: item["spec"]["podCIDR"]
        for item in facts.many("nodes")
        if (item.get("spec") or {}).get("podCIDR")
    }
    if not ranges:
        raise Skipped
    networks = _networks(facts)
    for node, text in ranges.items():
        found = ipaddress.ip_network(text)
        if not any(_contains(network, found) for network in networks):
            raise Failed(f"the pod network {text} of node {node} is not in clusterNetworks; {ADD}")


def _contains(network: Any, inner: Any) -> bool:
    return bool(network.version == inner.version and inner.subnet_of(network))


ADD = "add it with `tulle upgrade --set clusterNetworks=…`"


def _pod_addresses(facts: Facts) -> None:
    addresses = {
        f"{pod['metadata']['namespace']}/{pod['metadata']['name']}": pod["status"]["podIP"]
        for pod in facts.many("pods")
        if (pod.get("status") or {}).get("podIP") and not pod["spec"].get("hostNetwork")
    }
    outside = _outside(facts, addresses)
    if outside:
        raise Failed(f"pods lie outside clusterNetworks: {_some(outside)}; {ADD}")


def _service_addresses(facts: Facts) -> None:
    addresses = {
        f"{item['metadata']['namespace']}/{item['metadata']['name']}": item["spec"]["clusterIP"]
        for item in facts.many("services")
        if (item.get("spec") or {}).get("clusterIP") not in (None, "", "None")
    }
    outside = _outside(facts, addresses)
    if outside:
        raise Failed(f"Services lie outside clusterNetworks: {_some(outside)}; {ADD}")


def _some(items: list[str]) -> str:
    more = f" and {len(items) - 5} more" if len(items) > 5 else ""
    return f"{', '.join(items[:5])}{more}"


def _namespace(facts: Facts) -> None:
    if facts.one("namespace") is None:
        raise Failed(f"the namespace {facts.namespace} does not exist")


def _present(wanted: list[str], items: list[Json], kind: str) -> None:
    present = {item["metadata"]["name"] for item in items}
    missing = [name for name in wanted if name not in present]
    if missing:
        raise Failed(f"missing {kind}: {', '.join(missing)}; `tulle upgrade` renders them again")


def _roles(facts: Facts) -> None:
    wanted = [cluster_role_name(facts.namespace, component) for component in COMPONENTS]
    _present(wanted, facts.many("cluster roles"), "ClusterRoles")


def _bindings(facts: Facts) -> None:
    wanted = [cluster_role_name(facts.namespace, component) for component in COMPONENTS]
    _present(wanted, facts.many("cluster role bindings"), "ClusterRoleBindings")


def _accounts(facts: Facts) -> None:
    _present(list(ACCOUNTS), facts.many("accounts"), "ServiceAccounts")


def definitions(facts: Facts) -> None:
    wanted = {item["metadata"]["name"]: item for item in charts.resource_definitions()}
    present = {item["metadata"]["name"]: item for item in facts.many("definitions")}
    missing = [name for name in wanted if name not in present]
    if missing:
        raise Failed(
            f"missing definitions: {', '.join(missing)}; create them with "
            "`tulle install --crds | kubectl apply -f -`"
        )
    for name, item in wanted.items():
        served = {v["name"] for v in present[name]["spec"]["versions"] if v["served"]}
        lacking = {v["name"] for v in item["spec"]["versions"]} - served
        if lacking:
            raise Failed(
                f"the definition {name} does not serve {', '.join(sorted(lacking))}; renew it "
                "with `tulle upgrade --crds | kubectl apply -f -`"
            )


def _webhook(facts: Facts) -> None:
    if facts.one("webhook") is None:
        raise Failed(
            f"the MutatingWebhookConfiguration {names.INJECTOR_WEBHOOK_CONFIG} does not exist, "
            "so no pod gets a proxy; `tulle upgrade` renders it again"
        )


def _validator(facts: Facts) -> None:
    if facts.one("validator webhook") is None:
        raise Failed(
            f"the ValidatingWebhookConfiguration {names.POLICY_VALIDATOR_WEBHOOK_CONFIG} does not "
            "exist, so nobody judges policies before they are stored; `tulle upgrade` renders it "
            "again"
        )


DEFINITIONS = Category(
    "tulle-crd",
    (
        Check(
            "l5d-existence-crd",
            "the definitions of our kinds exist",
            definitions,
            Level.FATAL,
            is_retried=True,
        ),
    ),
)
EXISTENCE = Category(
    "tulle-existence",
    (
        Check(
            "l5d-existence-linkerd-config",
            f"the ConfigMap {names.CONFIG_CONFIGMAP} exists",
            _config,
            Level.FATAL,
        ),
        Check(
            "l5d-existence-replicasets",
            "the control plane's ReplicaSets are ready",
            _replica_sets,
            Level.FATAL,
            is_retried=True,
        ),
        Check(
            "l5d-existence-unschedulable-pods",
            "every pod of the control plane has a node",
            _unschedulable,
            Level.WARNING,
            is_retried=True,
        ),
        Check(
            "l5d-api-control-ready",
            "the control plane's pods are ready",
            _pods_ready,
            Level.FATAL,
            is_retried=True,
        ),
        Check(
            "l5d-cluster-networks-cidr",
            "clusterNetworks holds every node's pod network",
            _node_networks,
        ),
        Check("l5d-cluster-networks-pods", "clusterNetworks holds every pod", _pod_addresses),
        Check(
            "l5d-cluster-networks-pods", "clusterNetworks holds every Service", _service_addresses
        ),
    ),
)
CONFIG = Category(
    "tulle-config",
    (
        Check("l5d-existence-ns", "the control plane's namespace exists", _namespace, Level.FATAL),
        Check("l5d-existence-cr", "the control plane's ClusterRoles exist", _roles, Level.FATAL),
        Check(
            "l5d-existence-crb",
            "the control plane's ClusterRoleBindings exist",
            _bindings,
            Level.FATAL,
        ),
        Check(
            "l5d-existence-sa", "the control plane's ServiceAccounts exist", _accounts, Level.FATAL
        ),
        Check("l5d-existence-crd", "the definitions of our kinds exist", definitions, Level.FATAL),
        Check("l5d-existence-mwc", "the injector's webhook is registered", _webhook, Level.FATAL),
        Check(
            "l5d-existence-vwc",
            "the policy validator's webhook is registered",
            _validator,
            Level.FATAL,
        ),
    ),
)
