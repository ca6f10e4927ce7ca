"""Checks of the extension viz. What metrics-api says of itself is asked by whoever can reach it."""

from collections.abc import Callable
from typing import Any

from tulle import names
from tulle.install.anchors import verify_serving
from tulle.install.checks.facts import Ask, Facts, get, listing
from tulle.install.checks.model import Category, Check, Failed, Level, Skipped
from tulle.install.checks.proxies import is_proxy_ready, proxy_version
from tulle.install.objects import RBAC, decoded
from tulle.install.pem import BadCertificates
from tulle.install.workload_trust import proxy_container

Json = dict[str, Any]

INSTALL = "tulle viz install | kubectl apply -f -"
EXTERNAL = "viz.linkerd.io/external-prometheus"
TAP_SERVICE = "v1alpha1.tap.linkerd.io"


def viz_questions(namespace: str, metrics_api: Ask) -> dict[str, Ask]:
    """`metrics_api` gives the content of /api/check, or `{"error": sentence}`."""
    label = f"{names.EXTENSION_LABEL}={names.VIZ_EXTENSION}"
    core, apps = f"/api/v1/namespaces/{namespace}", f"/apis/apps/v1/namespaces/{namespace}"
    return {
        "namespace": get(core),
        "cluster roles": listing(f"/apis/{RBAC}/v1/clusterroles", label),
        "cluster role bindings": listing(f"/apis/{RBAC}/v1/clusterrolebindings", label),
        "deployments": listing(f"{apps}/deployments", label),
        "viz pods": listing(f"{core}/pods", label),
        "tap tls": get(f"{core}/secrets/{names.TAP_TLS_SECRET}"),
        "tap api": get(f"/apis/apiregistration.k8s.io/v1/apiservices/{TAP_SERVICE}"),
        "metrics-api": metrics_api,
    }


def _namespace(facts: Facts) -> None:
    if facts.one("namespace") is None:
        raise Failed(f"the namespace {facts.namespace} does not exist; install viz: {INSTALL}")


def _exist(kind: str) -> Callable[[Facts], None]:
    def judge(facts: Facts) -> None:
        if not any(
            item["metadata"]["name"].endswith(names.METRICS_API) for item in facts.many(kind)
        ):
            raise Failed(f"{kind} of viz do not exist; render them anew: {INSTALL}")

    return judge


def _component(item: Json) -> str:
    return str((item["metadata"].get("labels") or {}).get(names.VIZ_COMPONENT_LABEL, ""))


def _has(facts: Facts, component: str) -> bool:
    return any(_component(item) == component for item in facts.many("deployments"))


def _tap_certificate(facts: Facts) -> None:
    if not _has(facts, names.TAP):
        raise Skipped
    secret, service = facts.one("tap tls"), facts.one("tap api")
    data = (secret or {}).get("data") or {}
    bundle = ((service or {}).get("spec") or {}).get("caBundle")
    if "tls.crt" not in data or not bundle:
        raise Failed(f"tap has no certificate that the API server trusts; make one: {INSTALL}")
    host = f"{names.TAP}.{facts.namespace}.svc"
    try:
        verify_serving(decoded(data["tls.crt"]), decoded(bundle), host, facts.now)
    except BadCertificates as error:
        raise Failed(str(error)) from error


def _tap_api(facts: Facts) -> None:
    if not _has(facts, names.TAP):
        raise Skipped
    service = facts.one("tap api")
    if service is None:
        raise Failed(f"the APIService {TAP_SERVICE} does not exist; render it anew: {INSTALL}")
    for condition in (service.get("status") or {}).get("conditions") or ():
        if condition["type"] == "Available" and condition["status"] != "True":
            raise Failed(f"{TAP_SERVICE} is not available: {condition.get('message', '')}")


def _pods(facts: Facts) -> list[Json]:
    ended = ("Succeeded", "Failed")
    return [
        pod
        for pod in facts.many("viz pods")
        if (pod.get("status") or {}).get("phase") not in ended
        and not pod["metadata"].get("deletionTimestamp")
    ]


def _named(pods: list[Json]) -> str:
    return ", ".join(pod["metadata"]["name"] for pod in pods)


def _injected(facts: Facts) -> None:
    bare = [pod for pod in _pods(facts) if not proxy_container(pod)]
    if bare:
        raise Failed(
            f"these pods of viz have no proxy: {_named(bare)}; is the injector well (tulle check)? "
            f"then: kubectl -n {facts.namespace} rollout restart deploy"
        )


def _running(facts: Facts) -> None:
    waiting = []
    for item in facts.many("deployments"):
        wanted = item["spec"].get("replicas", 1)
        ready = (item.get("status") or {}).get("readyReplicas", 0)
        if ready < wanted:
            waiting.append(f"{item['metadata']['name']} ({ready} of {wanted})")
    if waiting:
        raise Failed(f"pods of viz are not ready: {', '.join(waiting)}")
    if not _has(facts, names.METRICS_API):
        raise Failed(f"the Deployment metrics-api does not exist; install it: {INSTALL}")


def _proxies_ready(facts: Facts) -> None:
    waiting = [pod for pod in _pods(facts) if proxy_container(pod) and not is_proxy_ready(pod)]
    if waiting:
        raise Failed(f"proxies are not ready in {_named(waiting)}")


def _same_version(facts: Facts) -> None:
    others = [
        pod for pod in _pods(facts) if proxy_container(pod) and proxy_version(pod) != names.VERSION
    ]
    if others:
        raise Failed(f"proxies are not {names.VERSION} as this command line: {_named(others)}")


def _prometheus(facts: Facts) -> None:
    annotations = (facts.one("namespace") or {"metadata": {}})["metadata"].get("annotations") or {}
    if EXTERNAL in annotations:
        raise Skipped
    if not _has(facts, names.PROMETHEUS):
        raise Failed(f"the Deployment prometheus does not exist; install it: {INSTALL}")


def _metrics_api(facts: Facts) -> None:
    answer = facts.one("metrics-api") or {}
    if "error" in answer:
        raise Failed(answer["error"])


def _scraped(facts: Facts) -> None:
    answer = facts.one("metrics-api") or {}
    if "error" in answer:
        raise Failed(answer["error"])
    meshed, scraped = answer["meshed_pods"], answer["scraped_proxies"]
    if scraped < meshed:
        raise Failed(
            f"Prometheus reaches {scraped} of {meshed} proxies; those that were just started "
            "follow soon; where the default policy is deny, let it in: "
            "tulle viz allow-scrapes -n NAMESPACE | kubectl apply -f -"
        )


VIZ = Category(
    "tulle-viz",
    (
        Check("l5d-viz-ns-exists", "the namespace of viz exists", _namespace, Level.FATAL),
        Check("l5d-viz-cr-exists", "viz has its ClusterRoles", _exist("cluster roles")),
        Check(
            "l5d-viz-crb-exists",
            "viz has its ClusterRoleBindings",
            _exist("cluster role bindings"),
        ),
        Check("l5d-tap-cert-valid", "the API server trusts tap's certificate", _tap_certificate),
        Check(
            "l5d-tap-api",
            "the API of tap is available",
            _tap_api,
            Level.WARNING,
            is_retried=True,
        ),
        Check(
            "l5d-viz-pods-running",
            "the pods of viz are ready",
            _running,
            Level.WARNING,
            is_retried=True,
        ),
        Check("l5d-viz-pods-injection", "the pods of viz are meshed", _injected, Level.WARNING),
        Check(
            "l5d-viz-proxy-healthy", "the proxies of viz are ready", _proxies_ready, Level.WARNING
        ),
        Check(
            "l5d-viz-proxy-cli-version",
            "the proxies of viz and the command line are of one version",
            _same_version,
            Level.WARNING,
        ),
        Check("l5d-viz-prometheus", "Prometheus is installed", _prometheus, Level.WARNING),
        Check(
            "l5d-viz-metrics-api",
            "metrics-api answers, and reaches Prometheus",
            _metrics_api,
            Level.FATAL,
            is_retried=True,
        ),
    ),
)
VIZ_DATA_PLANE = Category(
    "tulle-viz-data-plane",
    (
        Check(
            "l5d-data-plane-prom",
            "Prometheus reaches every proxy",
            _scraped,
            Level.WARNING,
            is_retried=True,
        ),
    ),
)
