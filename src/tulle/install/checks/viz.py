"""Checks of the extension viz. What metrics-api says of itself is asked by whoever can reach it."""

from collections.abc import Callable
from typing import Any

from tulle import names
from tulle.install.anchors import verify_serving
from tulle.install.checks.facts import ADMISSION, Ask, Facts, get, listing
from tulle.install.checks.model import Category, Check, Failed, Level, Skipped
from tulle.install.checks.proxies import control_version, is_proxy_ready, proxy_version
from tulle.install.checks.trust import not_expiring
from tulle.install.objects import RBAC, decoded
from tulle.install.pem import BadCertificates, load_certificates
from tulle.install.viz_allow import SCRAPE
from tulle.install.viz_objects import POLICY
from tulle.install.workload_trust import proxy_container

Json = dict[str, Any]

INSTALL = "tulle viz install | kubectl apply -f -"
EXTERNAL = "viz.linkerd.io/external-prometheus"
TAP_SERVICE = "v1alpha1.tap.linkerd.io"
DEFAULT_POLICY_VARIABLE = "LINKERD2_PROXY_INBOUND_DEFAULT_POLICY"


def viz_questions(
    namespace: str, control_namespace: str, self_check: Ask, scrapes: Ask
) -> dict[str, Ask]:
    """The last two give what metrics-api says, or `{"error": sentence}`."""
    label = f"{names.EXTENSION_LABEL}={names.VIZ_EXTENSION}"
    core, apps = f"/api/v1/namespaces/{namespace}", f"/apis/apps/v1/namespaces/{namespace}"
    return {
        "namespace": get(core),
        "cluster roles": listing(f"/apis/{RBAC}/v1/clusterroles", label),
        "cluster role bindings": listing(f"/apis/{RBAC}/v1/clusterrolebindings", label),
        "deployments": listing(f"{apps}/deployments", label),
        "viz pods": listing(f"{core}/pods", label),
        "control pods": listing(
            f"/api/v1/namespaces/{control_namespace}/pods", names.COMPONENT_LABEL
        ),
        "tap tls": get(f"{core}/secrets/{names.TAP_TLS_SECRET}"),
        "tap-injector tls": get(f"{core}/secrets/{names.TAP_INJECTOR_TLS_SECRET}"),
        "tap webhook": get(
            f"{ADMISSION}/mutatingwebhookconfigurations/{names.TAP_INJECTOR_WEBHOOK_CONFIG}"
        ),
        "tap api": get(f"/apis/apiregistration.k8s.io/v1/apiservices/{TAP_SERVICE}"),
        "self check": self_check,
        "scrapes": scrapes,
    }


def data_plane_questions() -> dict[str, Ask]:
    label = f"{names.EXTENSION_LABEL}={names.VIZ_EXTENSION}"
    return {
        "namespaces": listing("/api/v1/namespaces"),
        "pods": listing("/api/v1/pods", names.CONTROL_NAMESPACE_LABEL),
        "authorization policies": listing(f"/apis/{POLICY}/v1alpha1/authorizationpolicies", label),
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


def _certificate(facts: Facts, component: str) -> str:
    """What a component shows to the API server."""
    if not _has(facts, component):
        raise Skipped
    data = (facts.one(f"{component} tls") or {}).get("data") or {}
    if "tls.crt" not in data:
        raise Failed(f"{component} has no certificate for the API server; make one: {INSTALL}")
    return decoded(data["tls.crt"])


def _tap_bundle(facts: Facts) -> str | None:
    found: str | None = ((facts.one("tap api") or {}).get("spec") or {}).get("caBundle")
    return found


def _injector_bundle(facts: Facts) -> str | None:
    hooks = (facts.one("tap webhook") or {}).get("webhooks") or []
    found: str | None = hooks[0]["clientConfig"].get("caBundle") if hooks else None
    return found


def _is_trusted(
    component: str, bundle_of: Callable[[Facts], str | None]
) -> Callable[[Facts], None]:
    def judge(facts: Facts) -> None:
        text, bundle = _certificate(facts, component), bundle_of(facts)
        if not bundle:
            raise Failed(f"the API server is told to trust no {component}; render it: {INSTALL}")
        try:
            verify_serving(text, decoded(bundle), f"{component}.{facts.namespace}.svc", facts.now)
        except BadCertificates as error:
            raise Failed(str(error)) from error

    return judge


def _lasts(component: str) -> Callable[[Facts], None]:
    def judge(facts: Facts) -> None:
        source = f"certificate of {component}"
        try:
            found = load_certificates(_certificate(facts, component), f"the {source}")
        except BadCertificates as error:
            raise Failed(str(error)) from error
        not_expiring(found[0], facts, source)

    return judge


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


def _of_version(facts: Facts, wanted: str, whose: str) -> None:
    others = [pod for pod in _pods(facts) if proxy_container(pod) and proxy_version(pod) != wanted]
    if others:
        raise Failed(
            f"proxies are not {wanted} as {whose}: {_named(others)}; renew them: "
            f"kubectl -n {facts.namespace} rollout restart deploy"
        )


def _same_as_client(facts: Facts) -> None:
    _of_version(facts, names.VERSION, "this command line")


def _same_as_control(facts: Facts) -> None:
    found = control_version(facts.many("control pods"))
    if found is None:
        raise Failed("no pod of the control plane says which version it runs: tulle check")
    _of_version(facts, found, "the control plane")


def _prometheus(facts: Facts) -> None:
    annotations = (facts.one("namespace") or {"metadata": {}})["metadata"].get("annotations") or {}
    if EXTERNAL in annotations:
        raise Skipped
    if not _has(facts, names.PROMETHEUS):
        raise Failed(f"the Deployment prometheus does not exist; install it: {INSTALL}")


def _answer(facts: Facts, name: str) -> Json:
    answer = facts.one(name) or {}
    if "error" in answer:
        raise Failed(answer["error"])
    return answer


def _client(facts: Facts) -> None:
    _answer(facts, "self check")


def _metrics_api(facts: Facts) -> None:
    wrong = [item for item in _answer(facts, "self check")["results"] if item["status"] != "OK"]
    if wrong:
        raise Failed("; ".join(item["message"] for item in wrong))


def _data_namespace(facts: Facts) -> None:
    wanted = facts.data_namespace
    if wanted is None:
        raise Skipped
    if wanted not in {item["metadata"]["name"] for item in facts.many("namespaces")}:
        raise Failed(f"the namespace {wanted} does not exist")


def _scrapes_allowed(facts: Facts) -> None:
    """A proxy that lets nobody in needs a policy for Prometheus beside it."""
    allowed = {
        item["metadata"]["namespace"]
        for item in facts.many("authorization policies")
        if item["metadata"]["name"] == SCRAPE
    }
    closed = sorted(
        {
            pod["metadata"]["namespace"]
            for pod in facts.many("pods")
            if facts.data_namespace in (None, pod["metadata"]["namespace"]) and _is_closed(pod)
        }
        - allowed
    )
    if closed:
        raise Failed(
            f"pods of {', '.join(closed)} let nobody in by default, and no policy there lets "
            "Prometheus read their metrics: "
            f"tulle viz allow-scrapes -n {closed[0]} | kubectl apply -f -"
        )


def _is_closed(pod: Json) -> bool:
    environment = (proxy_container(pod) or {}).get("env") or ()
    return any(
        item["name"] == DEFAULT_POLICY_VARIABLE and item.get("value") == "deny"
        for item in environment
    )


def _scraped(facts: Facts) -> None:
    answer = _answer(facts, "scrapes")
    missing = answer["unreached"]
    if missing:
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise Failed(
            f"Prometheus does not reach {len(missing)} of {answer['meshed_pods']} proxies: "
            f"{', '.join(missing[:5])}{more}; those that were just started follow soon; where the "
            "default policy is deny, let it in: "
            "tulle viz allow-scrapes -n NAMESPACE | kubectl apply -f -"
        )


FATAL, WARNING = Level.FATAL, Level.WARNING
VIZ = Category(
    "tulle-viz",
    (
        Check("l5d-viz-ns-exists", "the namespace of viz exists", _namespace, FATAL),
        Check("l5d-viz-existence-client", "metrics-api can be asked", _client, FATAL, True),
        Check("l5d-viz-cr-exists", "viz has its ClusterRoles", _exist("cluster roles"), FATAL),
        Check(
            "l5d-viz-crb-exists",
            "viz has its ClusterRoleBindings",
            _exist("cluster role bindings"),
            FATAL,
        ),
        Check(
            "l5d-tap-cert-valid",
            "the API server trusts tap's certificate",
            _is_trusted(names.TAP, _tap_bundle),
            FATAL,
        ),
        Check(
            "l5d-tap-cert-not-expiring-soon",
            "tap's certificate is valid for 60 days more",
            _lasts(names.TAP),
            WARNING,
        ),
        Check("l5d-tap-api", "the API of tap is available", _tap_api, WARNING, True),
        Check(
            "l5d-tap-injector-webhook-cert-valid",
            "the API server trusts tap-injector's certificate",
            _is_trusted(names.TAP_INJECTOR, _injector_bundle),
        ),
        Check(
            "l5d-tap-injector-webhook-cert-not-expiring-soon",
            "tap-injector's certificate is valid for 60 days more",
            _lasts(names.TAP_INJECTOR),
            WARNING,
        ),
        Check("l5d-viz-pods-injection", "the pods of viz are meshed", _injected, WARNING),
        Check("l5d-viz-pods-running", "the pods of viz are ready", _running, WARNING, True),
        Check("l5d-viz-proxy-healthy", "the proxies of viz are ready", _proxies_ready, WARNING),
        Check(
            "l5d-viz-proxy-cp-version",
            "the proxies of viz and the control plane are of one version",
            _same_as_control,
            WARNING,
        ),
        Check(
            "l5d-viz-proxy-cli-version",
            "the proxies of viz and the command line are of one version",
            _same_as_client,
            WARNING,
        ),
        Check("l5d-viz-prometheus", "Prometheus is installed", _prometheus, WARNING),
        Check(
            "l5d-viz-metrics-api",
            "metrics-api reaches Kubernetes and Prometheus",
            _metrics_api,
            FATAL,
            True,
        ),
    ),
)
VIZ_DATA_PLANE = Category(
    "tulle-viz-data-plane",
    (
        Check("l5d-data-plane-exists", "the data plane's namespace exists", _data_namespace, FATAL),
        Check(
            "l5d-viz-data-plane-prom-authz",
            "Prometheus may read the metrics of every proxy",
            _scrapes_allowed,
            WARNING,
        ),
        Check("l5d-data-plane-prom", "Prometheus reaches every proxy", _scraped, WARNING, True),
    ),
)
