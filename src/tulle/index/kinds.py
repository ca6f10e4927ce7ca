"""Which kinds discovery watches, and how each is pruned."""

from functools import partial

from tulle import routes
from tulle.index import objects, pods, policies, profiles, splits
from tulle.k8s.watch import Kind

POLICY = "/apis/policy.linkerd.io"
GATEWAY = f"/apis/{routes.GATEWAY_GROUP}"


def _paths(group: str, plural: str, *versions: str) -> tuple[str, ...]:
    return tuple(f"{group}/{version}/{plural}" for version in versions)


def _route(group: str, kind: str, plural: str, *versions: str, name: str | None = None) -> Kind:
    root = POLICY if group == routes.POLICY_GROUP else GATEWAY
    prune = partial(routes.route, group=group, kind=kind)
    return Kind(name or kind, _paths(root, plural, *versions), prune)


CORE = (
    Kind("Namespace", ("/api/v1/namespaces",), objects.namespace, required=True),
    Kind("Node", ("/api/v1/nodes",), objects.node, required=True),
    Kind("Service", ("/api/v1/services",), objects.service, required=True),
    Kind("Pod", ("/api/v1/pods",), pods.pod, required=True),
    Kind(
        "EndpointSlice",
        _paths("/apis/discovery.k8s.io", "endpointslices", "v1"),
        objects.endpoint_slice,
        required=True,
    ),
)

CUSTOM = (
    Kind(
        "Server",
        _paths(POLICY, "servers", "v1beta3", "v1beta2", "v1beta1"),
        policies.server,
    ),
    Kind(
        "ServerAuthorization",
        _paths(POLICY, "serverauthorizations", "v1beta1"),
        policies.server_authorization,
    ),
    Kind(
        "AuthorizationPolicy",
        _paths(POLICY, "authorizationpolicies", "v1alpha1"),
        policies.authorization_policy,
    ),
    Kind(
        "MeshTLSAuthentication",
        _paths(POLICY, "meshtlsauthentications", "v1alpha1"),
        policies.mesh_tls_authentication,
    ),
    Kind(
        "NetworkAuthentication",
        _paths(POLICY, "networkauthentications", "v1alpha1"),
        policies.network_authentication,
    ),
    Kind(
        "RateLimit",
        _paths(POLICY, "httplocalratelimitpolicies", "v1alpha1"),
        policies.rate_limit,
    ),
    Kind(
        "EgressNetwork",
        _paths(POLICY, "egressnetworks", "v1alpha1"),
        policies.egress_network,
    ),
    _route(routes.POLICY_GROUP, "HTTPRoute", "httproutes", "v1beta3", "v1beta2", "v1beta1"),
    _route(
        routes.GATEWAY_GROUP, "HTTPRoute", "httproutes", "v1", "v1beta1", name="GatewayHTTPRoute"
    ),
    _route(routes.GATEWAY_GROUP, "GRPCRoute", "grpcroutes", "v1", "v1alpha2"),
    _route(routes.GATEWAY_GROUP, "TLSRoute", "tlsroutes", "v1", "v1alpha2"),
    _route(routes.GATEWAY_GROUP, "TCPRoute", "tcproutes", "v1", "v1alpha2"),
    Kind(
        "ServiceProfile",
        _paths("/apis/linkerd.io", "serviceprofiles", "v1alpha2"),
        profiles.service_profile,
    ),
    Kind(
        "TrafficSplit",
        _paths("/apis/split.smi-spec.io", "trafficsplits", "v1alpha4", "v1alpha2", "v1alpha1"),
        splits.traffic_split,
    ),
    Kind(
        "HTTPRouteGroup",
        _paths(
            "/apis/specs.smi-spec.io",
            "httproutegroups",
            *("v1alpha4", "v1alpha3", "v1alpha2", "v1alpha1"),
        ),
        splits.route_group,
    ),
)
ALL = (*CORE, *CUSTOM)
