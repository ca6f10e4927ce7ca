"""Checks of versions and proxies, in the control plane and beside the applications."""

from collections.abc import Callable
from typing import Any

from tulle import names
from tulle.install.checks.existence import COMPONENTS, values
from tulle.install.checks.facts import Facts
from tulle.install.checks.model import Category, Check, Failed, Level, Skipped
from tulle.install.workload_trust import proxy_container

Json = dict[str, Any]

CONFIG_PREFIX = names.CONFIG_ANNOTATION_PREFIX


def _name(item: Json) -> str:
    return f"{item['metadata']['namespace']}/{item['metadata']['name']}"


def _shown(items: list[str]) -> str:
    more = f" and {len(items) - 10} more" if len(items) > 10 else ""
    return f"{', '.join(items[:10])}{more}"


def tag(image: str) -> str:
    """The version of an image; empty where it has none."""
    return image.rpartition(":")[2] if ":" in image.rpartition("/")[2] else ""


def control_version(pods: list[Json]) -> str | None:
    """The tag of the control plane's image, as its pods run it."""
    for pod in pods:
        component = (pod["metadata"].get("labels") or {}).get(names.COMPONENT_LABEL)
        for container in pod["spec"]["containers"]:
            if container["name"] == component and tag(container["image"]):
                return tag(container["image"])
    return None


def proxy_version(pod: Json) -> str:
    return tag((proxy_container(pod) or {}).get("image", ""))


def is_proxy_ready(pod: Json) -> bool:
    status = pod.get("status") or {}
    containers = [
        *(status.get("initContainerStatuses") or []),
        *(status.get("containerStatuses") or []),
    ]
    return any(item["name"] == names.PROXY_CONTAINER and item.get("ready") for item in containers)


def _running(pods: list[Json]) -> list[Json]:
    """Without pods that have ended: a Job's, or evicted ones."""
    return [
        pod for pod in pods if (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")
    ]


def _control_pods(facts: Facts) -> list[Json]:
    return [pod for pod in _running(facts.many("control pods")) if proxy_container(pod)]


def _data_pods(facts: Facts) -> list[Json]:
    """Pods of this mesh outside the control plane; with -n, those of one namespace."""
    wanted = facts.data_namespace
    found = []
    for pod in _running(facts.many("pods")):
        labels = pod["metadata"].get("labels") or {}
        namespace = pod["metadata"]["namespace"]
        is_ours = labels.get(names.CONTROL_NAMESPACE_LABEL) == facts.namespace
        is_control = names.COMPONENT_LABEL in labels
        if is_ours and not is_control and wanted in (None, namespace) and proxy_container(pod):
            found.append(pod)
    return found


def _version_readable(facts: Facts) -> None:
    if control_version(facts.many("control pods")) is None:
        raise Failed("no pod of the control plane says which version it runs")


def _version_is_ours(facts: Facts) -> None:
    found = control_version(facts.many("control pods"))
    if found != names.VERSION:
        raise Failed(
            f"the control plane is {found}, this command line is {names.VERSION}; bring them "
            "together with `tulle upgrade | kubectl apply -f -`"
        )


def _ready(pods: Callable[[Facts], list[Json]]) -> Callable[[Facts], None]:
    def judge(facts: Facts) -> None:
        waiting = [_name(pod) for pod in pods(facts) if not is_proxy_ready(pod)]
        if waiting:
            raise Failed(f"proxies are not ready in {_shown(waiting)}")
        if not pods(facts):
            raise Failed("no pod with a proxy was found")

    return judge


def _same_as_control(pods: Callable[[Facts], list[Json]]) -> Callable[[Facts], None]:
    def judge(facts: Facts) -> None:
        wanted = str((values(facts).get("proxy") or {}).get("image", {}).get("version") or "")
        different = [
            f"{_name(pod)} ({proxy_version(pod)})"
            for pod in pods(facts)
            if proxy_version(pod) != wanted
        ]
        if different:
            raise Failed(
                f"proxies of another version than {wanted}: {_shown(different)}; "
                "restart the pods to renew them"
            )

    return judge


def _same_as_client(pods: Callable[[Facts], list[Json]]) -> Callable[[Facts], None]:
    def judge(facts: Facts) -> None:
        different = [
            f"{_name(pod)} ({proxy_version(pod)})"
            for pod in pods(facts)
            if proxy_version(pod) != names.VERSION
        ]
        if different:
            raise Failed(
                f"proxies are not {names.VERSION} as this command line: {_shown(different)}"
            )

    return judge


def _data_namespace(facts: Facts) -> None:
    wanted = facts.data_namespace
    if wanted is None:
        raise Skipped
    if wanted not in {item["metadata"]["name"] for item in facts.many("namespaces")}:
        raise Failed(f"the namespace {wanted} does not exist")


def _data_ready(facts: Facts) -> None:
    waiting = [_name(pod) for pod in _data_pods(facts) if not is_proxy_ready(pod)]
    if waiting:
        raise Failed(f"proxies are not ready in {_shown(waiting)}")
    if not _data_pods(facts):
        where = f"the namespace {facts.data_namespace}" if facts.data_namespace else "the cluster"
        raise Failed(
            f"no pod in {where} has a proxy; annotate a namespace with "
            f"{names.INJECT_ANNOTATION}=enabled and restart its workloads, or use `tulle inject`"
        )


def _misplaced(items: list[Json], where: str, facts: Facts) -> list[str]:
    found = []
    for item in items:
        if facts.data_namespace not in (None, item["metadata"]["namespace"]):
            continue
        found += [
            f"{_name(item)} ({key})"
            for key in item["metadata"].get(where) or {}
            if key == names.INJECT_ANNOTATION or key.startswith(CONFIG_PREFIX)
        ]
    return found


def _pod_labels(facts: Facts) -> None:
    found = _misplaced(_data_pods(facts), "labels", facts)
    if found:
        raise Failed(f"these keys work as annotations, not as labels: {_shown(found)}")


def _service_labels(facts: Facts) -> None:
    found = _misplaced(facts.many("services"), "labels", facts)
    if found:
        raise Failed(f"these keys work as annotations, not as labels: {_shown(found)}")


def _service_annotations(facts: Facts) -> None:
    found = [
        text
        for text in _misplaced(facts.many("services"), "annotations", facts)
        if names.OPAQUE_PORTS_ANNOTATION not in text
    ]
    if found:
        raise Failed(f"these annotations have no effect on Services: {_shown(found)}")


def _opaque_ports(facts: Facts) -> None:
    """A client's proxy reads the Service's annotation, the server's proxy the pod's."""
    found = []
    for item in facts.many("services"):
        selector = (item.get("spec") or {}).get("selector")
        if not selector or facts.data_namespace not in (None, item["metadata"]["namespace"]):
            continue
        ports = _opaque(item)
        for pod in _data_pods(facts):
            labels = pod["metadata"].get("labels") or {}
            if pod["metadata"]["namespace"] == item["metadata"]["namespace"] and all(
                labels.get(key) == value for key, value in selector.items()
            ):
                found += [
                    f"{_name(item)} and {_name(pod)} ({port})"
                    for port in _differing(item, ports, pod)
                ]
    if found:
        raise Failed(
            f"a port is opaque on one side only: {_shown(found)}; set "
            f"{names.OPAQUE_PORTS_ANNOTATION} on both"
        )


def _opaque(item: Json) -> set[str] | None:
    text = (item["metadata"].get("annotations") or {}).get(names.OPAQUE_PORTS_ANNOTATION)
    return None if text is None else {part.strip() for part in text.split(",") if part.strip()}


def _differing(service: Json, opaque: set[str] | None, pod: Json) -> list[str]:
    of_pod = _opaque(pod)
    found = []
    for port in service["spec"].get("ports") or []:
        target = port.get("targetPort", port["port"])
        if opaque is None or of_pod is None or not isinstance(target, int):
            continue
        if (str(port["port"]) in opaque) != (str(target) in of_pod):
            found.append(str(port["port"]))
    return found


def _replicas(facts: Facts) -> None:
    if not values(facts).get("highAvailability"):
        raise Skipped
    alone = []
    for item in facts.many("deployments"):
        if item["metadata"]["name"] in COMPONENTS.values():
            available = (item.get("status") or {}).get("availableReplicas", 0)
            if available < 2:
                alone.append(f"{item['metadata']['name']} ({available})")
    if alone:
        raise Failed(f"fewer than two replicas are available of {', '.join(alone)}")


def _expected(facts: Facts) -> None:
    """We ask nobody on the net which version is the newest; who knows it can say so."""
    if "expected version" not in facts.answers:
        raise Skipped
    wanted = (facts.one("expected version") or {})["version"]
    if wanted != names.VERSION:
        raise Failed(f"this command line is {names.VERSION}, and {wanted} was expected")


CLIENT_VERSION = Category(
    "tulle-version",
    (
        Check(
            "l5d-version-cli",
            "the command line is of the expected version",
            _expected,
            Level.WARNING,
        ),
    ),
)
CONTROL_VERSION = Category(
    "control-plane-version",
    (
        Check(
            "l5d-version-control",
            "the control plane's version is known",
            _version_readable,
            Level.FATAL,
            is_retried=True,
        ),
        Check(
            "l5d-version-control",
            "control plane and command line are of one version",
            _version_is_ours,
            Level.WARNING,
        ),
    ),
)
CONTROL_PROXY = Category(
    "tulle-control-plane-proxy",
    (
        Check(
            "l5d-cp-proxy-healthy",
            "the control plane's proxies are ready",
            _ready(_control_pods),
            Level.FATAL,
            is_retried=True,
        ),
        Check(
            "l5d-cp-proxy-version",
            "the control plane's proxies are of its version",
            _same_as_control(_control_pods),
            Level.WARNING,
        ),
        Check(
            "l5d-cp-proxy-cli-version",
            "the control plane's proxies and the command line are of one version",
            _same_as_client(_control_pods),
            Level.WARNING,
        ),
    ),
)
DATA_PLANE = Category(
    "tulle-data-plane",
    (
        Check(
            "l5d-data-plane-exists",
            "the data plane's namespace exists",
            _data_namespace,
            Level.FATAL,
        ),
        Check(
            "l5d-data-plane-ready",
            "the data plane's proxies are ready",
            _data_ready,
            Level.FATAL,
            is_retried=True,
        ),
        Check(
            "l5d-data-plane-version",
            "the data plane is of the control plane's version",
            _same_as_control(_data_pods),
            Level.WARNING,
        ),
        Check(
            "l5d-data-plane-cli-version",
            "data plane and command line are of one version",
            _same_as_client(_data_pods),
            Level.WARNING,
        ),
        Check(
            "l5d-data-plane-pod-labels",
            "no pod has a setting as a label",
            _pod_labels,
            Level.WARNING,
        ),
        Check(
            "l5d-data-plane-services-labels",
            "no Service has a setting as a label",
            _service_labels,
            Level.WARNING,
        ),
        Check(
            "l5d-data-plane-services-annotations",
            "no Service has a setting that only pods can have",
            _service_annotations,
            Level.WARNING,
        ),
        Check(
            "linkerd-opaque-ports-definition",
            "Services and their pods agree on opaque ports",
            _opaque_ports,
            Level.WARNING,
        ),
    ),
)
HIGH_AVAILABILITY = Category(
    "tulle-ha-checks",
    (
        Check(
            "l5d-control-plane-replicas",
            "several replicas of the control plane are available",
            _replicas,
            Level.WARNING,
            is_retried=True,
        ),
    ),
)
