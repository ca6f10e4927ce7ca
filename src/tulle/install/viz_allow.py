"""Policies by which Prometheus and the kubelet reach proxies where the default policy is deny."""

from typing import Any

from tulle import names
from tulle.install.viz_objects import POLICY, VizPlace

Json = dict[str, Any]

SERVER = "proxy-admin"
METRICS, PROBES, SCRAPE = "proxy-metrics", "proxy-probes", "prometheus-scrape"
ROUTES = {METRICS: ["/metrics"], PROBES: ["/live", "/ready"]}


def scrape_policies(namespace: str, viz_namespace: str) -> list[Json]:
    """For all meshed pods of one namespace: metrics for Prometheus, probes for everybody."""
    place = VizPlace(namespace, f"{names.PROGRAM}/cli {names.VERSION}")
    server = {
        "podSelector": {
            "matchExpressions": [{"key": names.CONTROL_NAMESPACE_LABEL, "operator": "Exists"}]
        },
        "port": names.ADMIN_PORT_NAME,
        "proxyProtocol": "HTTP/1",
    }
    account = {"kind": "ServiceAccount", "name": names.PROMETHEUS, "namespace": viz_namespace}
    anyone = {"networks": [{"cidr": "0.0.0.0/0"}, {"cidr": "::/0"}]}
    return [
        place.object(f"{POLICY}/v1beta3", "Server", SERVER, spec=server),
        *(_route(place, name, paths) for name, paths in ROUTES.items()),
        _authorization(place, SCRAPE, METRICS, account),
        place.object(f"{POLICY}/v1alpha1", "NetworkAuthentication", PROBES, spec=anyone),
        _authorization(
            place,
            PROBES,
            PROBES,
            {"group": POLICY, "kind": "NetworkAuthentication", "name": PROBES},
        ),
    ]


def _route(place: VizPlace, name: str, paths: list[str]) -> Json:
    spec = {
        "parentRefs": [{"group": POLICY, "kind": "Server", "name": SERVER}],
        "rules": [{"matches": [{"path": {"value": path, "type": "Exact"}} for path in paths]}],
    }
    return place.object(f"{POLICY}/v1beta3", "HTTPRoute", name, spec=spec)


def _authorization(place: VizPlace, name: str, route: str, who: Json) -> Json:
    spec = {
        "targetRef": {"group": POLICY, "kind": "HTTPRoute", "name": route},
        "requiredAuthenticationRefs": [who],
    }
    return place.object(f"{POLICY}/v1alpha1", "AuthorizationPolicy", name, spec=spec)
