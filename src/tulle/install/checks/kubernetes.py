"""Checks of the cluster itself, before and after an install."""

import datetime

from tulle import names
from tulle.install.checks.facts import CREATED, Facts, Unknown
from tulle.install.checks.model import Category, Check, Failed, Level

MINIMUM_VERSION = (1, 25)
HEARTBEAT = datetime.timedelta(
    minutes=5, seconds=10
)  # a kubelet writes one at least every 5 minutes


def _has_client(facts: Facts) -> None:
    """A Facts exists only where a client could be built."""


def _answers(facts: Facts) -> None:
    try:
        facts.one("version")
    except Unknown as error:
        raise Failed(f"the Kubernetes API did not answer: {error}") from error


def _version(facts: Facts) -> None:
    known = facts.one("version") or {}
    major, minor = str(known.get("major", "0")), str(known.get("minor", "0")).rstrip("+")
    if (int(major), int(minor)) < MINIMUM_VERSION:
        wanted = ".".join(map(str, MINIMUM_VERSION))
        raise Failed(f"Kubernetes is {known.get('gitVersion')}; it must be at least {wanted}")


def _gateway_api(facts: Facts) -> None:
    groups = (facts.one("groups") or {}).get("groups") or []
    for group in groups:
        if group["name"] == "gateway.networking.k8s.io":
            if all(version["version"] != "v1" for version in group["versions"]):
                raise Failed("the Gateway API is older than v1; its routes will not be read")
            return
    raise Failed(
        "the Gateway API is not installed; routes can only be policy.linkerd.io HTTPRoutes"
    )


API = Category(
    "kubernetes-api",
    (
        Check("k8s-api", "a client of the Kubernetes API can be made", _has_client, Level.FATAL),
        Check("k8s-api", "the Kubernetes API answers", _answers, Level.FATAL),
    ),
)
VERSION = Category(
    "kubernetes-version",
    (
        Check(
            "k8s-version",
            "Kubernetes is recent enough",
            _version,
        ),
    ),
)
GATEWAY = Category(
    "gateway-api-crd",
    (
        Check(
            "gateway-api-crd",
            "the Gateway API is installed",
            _gateway_api,
            Level.WARNING,
        ),
    ),
)


def _namespace_absent(facts: Facts) -> None:
    if facts.one("namespace") is not None:
        raise Failed(
            f"the namespace {facts.namespace} exists already; if a control plane is in it, "
            "use `tulle upgrade`, else choose another one with -L"
        )


def _may(facts: Facts, action: str) -> None:
    status = (facts.one(action) or {}).get("status") or {}
    if not status.get("allowed"):
        reason = f": {status['reason']}" if status.get("reason") else ""
        raise Failed(f"not allowed to {action}{reason}; ask for the rights of cluster-admin")


def _may_create_cluster_objects(facts: Facts) -> None:
    for _, resource, is_wide in CREATED:
        if is_wide:
            _may(facts, f"create {resource}")


def _reads_authentication(facts: Facts) -> None:
    if facts.one("authentication") is None:
        raise Failed("the ConfigMap kube-system/extension-apiserver-authentication does not exist")


def _clocks_agree(facts: Facts) -> None:
    late = []
    for node in facts.many("nodes"):
        conditions = (node.get("status") or {}).get("conditions") or []
        beats = [c.get("lastHeartbeatTime") for c in conditions if c.get("type") == "Ready"]
        if beats and beats[0]:
            beat = datetime.datetime.fromisoformat(beats[0])
            if abs(facts.now - beat) > HEARTBEAT:
                late.append(node["metadata"]["name"])
    if late:
        raise Failed(
            f"the last sign of life of {', '.join(late)} and this machine's clock are more than "
            "5 minutes apart; certificates would seem expired, or not valid yet"
        )


def _creates(resource: str, title: str) -> Check:
    return Check(
        "pre-k8s", f"{title} may be created", lambda facts: _may(facts, f"create {resource}")
    )


PRE = Category(
    "pre-kubernetes-setup",
    (
        Check("pre-ns", "the control plane's namespace is free", _namespace_absent),
        Check(
            "pre-k8s-cluster-k8s",
            "cluster-wide objects may be created",
            _may_create_cluster_objects,
        ),
        _creates("serviceaccounts", "ServiceAccounts"),
        _creates("services", "Services"),
        _creates("deployments", "Deployments"),
        _creates("cronjobs", "CronJobs"),
        _creates("configmaps", "ConfigMaps"),
        _creates("secrets", "Secrets"),
        Check("pre-k8s", "Secrets may be read", lambda facts: _may(facts, "get secrets")),
        Check(
            "pre-k8s",
            "how extensions authenticate may be read",
            _reads_authentication,
        ),
        Check(
            "pre-k8s-clock-skew",
            "clocks of nodes and this machine agree",
            _clocks_agree,
            Level.WARNING,
        ),
    ),
)


def _extension_namespaces(facts: Facts) -> None:
    seen: dict[str, list[str]] = {}
    for item in facts.many("namespaces"):
        label = (item["metadata"].get("labels") or {}).get(names.EXTENSION_LABEL)
        if label:
            seen.setdefault(label, []).append(item["metadata"]["name"])
    for label, spaces in seen.items():
        if len(spaces) > 1:
            raise Failed(f"several namespaces say that they are {label}: {', '.join(spaces)}")


EXTENSIONS = Category(
    "tulle-extension-checks",
    (
        Check(
            "l5d-extension-namespaces",
            "each extension has one namespace",
            _extension_namespaces,
            Level.WARNING,
        ),
    ),
)
