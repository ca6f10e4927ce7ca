"""Every name, label, annotation and port that more than one part of Tulle relies on.

Names that begin with `linkerd.io` and the like are the public contract that Tulle shares with
Linkerd; names that begin with `tulle` are our own.
"""

from typing import Final

VERSION: Final = "0.1.0"

# --- our own names ---

PROGRAM: Final = "tulle"
CONTROL_NAMESPACE: Final = "tulle"
VIZ_NAMESPACE: Final = "tulle-viz"
TRUST_DOMAIN: Final = "cluster.local"
CLUSTER_DOMAIN: Final = "cluster.local"

IDENTITY: Final = "tulle-identity"  # Deployment, ServiceAccount and Service
DESTINATION: Final = "tulle-destination"  # Deployment and ServiceAccount
PROXY_INJECTOR: Final = "tulle-proxy-injector"  # Deployment, ServiceAccount and Service

METRICS_API: Final = "metrics-api"  # in the namespace of viz: Deployment, account and Service
PROMETHEUS: Final = "prometheus"

IDENTITY_HEADLESS_SERVICE: Final = "tulle-identity-headless"
DESTINATION_SERVICE: Final = "tulle-dst"
DESTINATION_HEADLESS_SERVICE: Final = "tulle-dst-headless"
POLICY_SERVICE: Final = "tulle-policy"
POLICY_VALIDATOR_SERVICE: Final = "tulle-policy-validator"

CONFIG_CONFIGMAP: Final = "tulle-config"  # key `values`: the install's values, without private keys
TRUST_ROOTS_CONFIGMAP: Final = "tulle-identity-trust-roots"  # key `ca-bundle.crt`
ISSUER_SECRET: Final = "tulle-identity-issuer"
OVERRIDES_SECRET: Final = "tulle-config-overrides"
VIZ_OVERRIDES_SECRET: Final = "viz-config-overrides"
INJECTOR_TLS_SECRET: Final = "tulle-proxy-injector-k8s-tls"
POLICY_VALIDATOR_TLS_SECRET: Final = "tulle-policy-validator-k8s-tls"
INJECTOR_WEBHOOK_CONFIG: Final = "tulle-proxy-injector-webhook-config"
POLICY_VALIDATOR_WEBHOOK_CONFIG: Final = "tulle-policy-validator-webhook-config"

PROXY_CONTAINER: Final = "tulle-proxy"
INIT_CONTAINER: Final = "tulle-init"
DEBUG_CONTAINER: Final = "tulle-debug"
IDENTITY_VOLUME: Final = "tulle-identity-end-entity"
TOKEN_VOLUME: Final = "tulle-identity-token"
XTABLES_VOLUME: Final = "tulle-proxy-init-xtables-lock"
PODINFO_VOLUME: Final = "tulle-podinfo"

# --- tap and the dashboard: Deployments, Services and ServiceAccounts of the viz namespace ---

TAP: Final = "tap"
TAP_INJECTOR: Final = "tap-injector"
WEB: Final = "web"
TAP_TLS_SECRET: Final = "tap-k8s-tls"
TAP_INJECTOR_TLS_SECRET: Final = "tap-injector-k8s-tls"
TAP_INJECTOR_WEBHOOK_CONFIG: Final = "tulle-tap-injector-webhook-config"
TAP_HTTPS_PORT: Final = 8089
TAP_ADMIN_PORT: Final = 9998
TAP_INJECTOR_HTTPS_PORT: Final = 8443
TAP_INJECTOR_ADMIN_PORT: Final = 9995
METRICS_API_PORT: Final = 8085
METRICS_API_GRPC_PORT: Final = 8086
METRICS_API_ADMIN_PORT: Final = 9995
PROMETHEUS_PORT: Final = 9090
WEB_PORT: Final = 8084
WEB_ADMIN_PORT: Final = 9994

# --- images ---

PROXY_IMAGE: Final = "docker.io/tulle/proxy"  # proxy, init and entry program in one
CONTROLLER_IMAGE: Final = "docker.io/tulle/controller"
WEB_IMAGE: Final = "docker.io/tulle/web"
PROMETHEUS_IMAGE: Final = "docker.io/tulle/prometheus"

# --- paths inside the containers ---

IDENTITY_DIR: Final = "/var/run/linkerd/identity/end-entity"
PODINFO_DIR: Final = "/var/run/linkerd/podinfo"
ISSUER_DIR: Final = "/var/run/linkerd/identity/issuer"
TRUST_ROOTS_FILE: Final = "/var/run/linkerd/identity/trust-roots/ca-bundle.crt"
VALUES_FILE: Final = "/var/run/linkerd/config/values"
SERVING_TLS_DIR: Final = "/var/run/linkerd/tls"
TOKEN_DIR: Final = "/var/run/secrets/tokens"
TOKEN_FILE: Final = "linkerd-identity-token"
PROXY_BINARY: Final = "/usr/lib/tulle/tulle-proxy"
INIT_BINARY: Final = "/usr/lib/tulle/tulle-init"

# --- users ---

PROXY_UID: Final = 2102
CONTROLLER_UID: Final = 2103
INIT_UID: Final = 65534

# --- ports ---

OUTBOUND_PORT: Final = 4140
INBOUND_PORT: Final = 4143
CONTROL_PORT: Final = 4190  # tap
ADMIN_PORT: Final = 4191
IDENTITY_GRPC_PORT: Final = 8080
IDENTITY_ADMIN_PORT: Final = 9990
DESTINATION_GRPC_PORT: Final = 8086
DESTINATION_ADMIN_PORT: Final = 9996
POLICY_GRPC_PORT: Final = 8090
POLICY_HTTPS_PORT: Final = 9443
INJECTOR_HTTPS_PORT: Final = 8443
INJECTOR_ADMIN_PORT: Final = 9995
API_SERVER_PORTS: Final = (443, 6443)
DEFAULT_OPAQUE_PORTS: Final = (25, 587, 3306, 4444, 5432, 6379, 9300, 11211)
DEFAULT_SKIP_PORTS: Final = (4567, 4568)

PROXY_PORT_NAME: Final = "linkerd-proxy"
ADMIN_PORT_NAME: Final = "linkerd-admin"

# --- the public contract: labels and annotations ---

INJECT_ANNOTATION: Final = "linkerd.io/inject"
CREATED_BY_ANNOTATION: Final = "linkerd.io/created-by"
PROXY_VERSION_ANNOTATION: Final = "linkerd.io/proxy-version"
TRUST_ROOT_SHA_ANNOTATION: Final = "linkerd.io/trust-root-sha256"
ISSUER_EXPIRY_ANNOTATION: Final = "linkerd.io/identity-issuer-expiry"
CONFIG_ANNOTATION_PREFIX: Final = "config.linkerd.io/"
CONFIG_ALPHA_ANNOTATION_PREFIX: Final = "config.alpha.linkerd.io/"
CONFIG_BETA_ANNOTATION_PREFIX: Final = "config.beta.linkerd.io/"
REDIRECT_ANNOTATION: Final = "linkerd.io/redirect"  # what the CNI plugin is to do for a pod
GATE_ANNOTATION: Final = "linkerd.io/gate"  # the CNI plugin is to close the pod's gate
GATE_CLOSED: Final = "closed"
OPAQUE_PORTS_ANNOTATION: Final = "config.linkerd.io/opaque-ports"
DEFAULT_INBOUND_POLICY_ANNOTATION: Final = "config.linkerd.io/default-inbound-policy"
SKIP_INBOUND_PORTS_ANNOTATION: Final = "config.linkerd.io/skip-inbound-ports"
SKIP_OUTBOUND_PORTS_ANNOTATION: Final = "config.linkerd.io/skip-outbound-ports"

CONTROL_NAMESPACE_LABEL: Final = "linkerd.io/control-plane-ns"
WORKLOAD_NAMESPACE_LABEL: Final = "linkerd.io/workload-ns"
COMPONENT_LABEL: Final = "linkerd.io/control-plane-component"
EXTENSION_LABEL: Final = "linkerd.io/extension"
VIZ_EXTENSION: Final = "viz"  # the extension's name in that label
VIZ_COMPONENT_LABEL: Final = "component"
PROXY_OWNER_LABEL_PREFIX: Final = "linkerd.io/proxy-"  # then the owner's kind, lower case
ADMISSION_WEBHOOKS_LABEL: Final = "config.linkerd.io/admission-webhooks"
CNI_RESOURCE_LABEL: Final = "linkerd.io/cni-resource"
CNI_NAMESPACE: Final = "tulle-cni"
CNI: Final = "tulle-cni"  # DaemonSet, ServiceAccount, container, and the plugin itself
REDIRECTED_BY_VARIABLE: Final = "TULLE_REDIRECTED_BY"
GATE_VOLUME: Final = "tulle-gate"  # keeps applications from starting without their proxy
GATE_VARIABLE: Final = "TULLE_GATE"
GATE_DIR: Final = "/var/run/tulle/gate"  # in the proxy's container
GATE_MOUNT: Final = "/.tulle"  # in the application's; no image has anything there
GATE_SUB_PATH: Final = "carried/start"
IS_CONTROL_PLANE_LABEL: Final = "linkerd.io/is-control-plane"

TAP_GROUP: Final = "tap.linkerd.io"
TAP_VERSION: Final = "v1alpha1"
TAP_ENABLED_ANNOTATION: Final = "viz.linkerd.io/tap-enabled"
TAP_DISABLED_ANNOTATION: Final = "viz.linkerd.io/disable-tap"
REQUIRE_IDENTITY_HEADER: Final = "l5d-require-id"
TAP_CLIENT_VARIABLE: Final = "LINKERD2_PROXY_TAP_SVC_NAME"
TAP_INJECTOR_WEBHOOK: Final = "tap-injector.linkerd.io"
INJECTOR_WEBHOOK: Final = "linkerd-proxy-injector.linkerd.io"
POLICY_VALIDATOR_WEBHOOK: Final = "linkerd-policy-validator.linkerd.io"
IDENTITY_AUDIENCE: Final = "identity.l5d.io"
LINKERD_ISSUER_SCHEME: Final = "linkerd.io/tls"
KUBERNETES_ISSUER_SCHEME: Final = "kubernetes.io/tls"
POLICY_CONTROLLER_NAME: Final = "linkerd.io/policy-controller"
POLICY_WRITE_LEASE: Final = "policy-controller-write"

DEFAULT_CLUSTER_NETWORKS: Final = (
    "10.0.0.0/8",
    "100.64.0.0/10",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "fd00::/8",
)
DEFAULT_PROXY_LOG: Final = "warn,linkerd=info,tulle=info,hickory=error"


def workload_identity(
    service_account: str,
    namespace: str,
    *,
    control_namespace: str = CONTROL_NAMESPACE,
    trust_domain: str = TRUST_DOMAIN,
) -> str:
    """The DNS-like identity of a service account, as it stands in a leaf certificate's SAN."""
    return (
        f"{service_account}.{namespace}.serviceaccount.identity.{control_namespace}.{trust_domain}"
    )
