"""The command line of each component; pure, so that a test can read what would run."""

from dataclasses import dataclass
from pathlib import Path

NODE_ETCD_PORT = 2379
SECURE_PORT = 6443


@dataclass(frozen=True, slots=True)
class ApiServerFlags:
    address: str  # what clients in the cluster are told
    port: int
    etcd_port: int
    service_range: str
    domain: str
    bind_address: str = "0.0.0.0"


def etcd(binaries: Path, data: Path, client_port: int, peer_port: int) -> list[str]:
    """Without fsync: the state of a local cluster is worth less than the second it would cost."""
    client, peer = f"http://127.0.0.1:{client_port}", f"http://127.0.0.1:{peer_port}"
    return [
        str(binaries / "etcd"),
        "--name=node",
        f"--data-dir={data}",
        "--unsafe-no-fsync",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=node={peer}",
        "--log-level=warn",
    ]


def kube_apiserver(binaries: Path, pki: Path, flags: ApiServerFlags) -> list[str]:
    return [
        str(binaries / "kube-apiserver"),
        f"--advertise-address={flags.address}",
        f"--bind-address={flags.bind_address}",
        f"--secure-port={flags.port}",
        f"--etcd-servers=http://127.0.0.1:{flags.etcd_port}",
        f"--service-cluster-ip-range={flags.service_range}",
        "--allow-privileged=true",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        f"--client-ca-file={pki}/ca.crt",
        f"--tls-cert-file={pki}/apiserver.crt",
        f"--tls-private-key-file={pki}/apiserver.key",
        f"--kubelet-client-certificate={pki}/apiserver-kubelet-client.crt",
        f"--kubelet-client-key={pki}/apiserver-kubelet-client.key",
        f"--kubelet-certificate-authority={pki}/ca.crt",
        "--kubelet-preferred-address-types=InternalIP",
        f"--service-account-key-file={pki}/sa.pub",
        f"--service-account-signing-key-file={pki}/sa.key",
        f"--service-account-issuer=https://kubernetes.default.svc.{flags.domain}",
        *_aggregation(pki),
    ]


def _aggregation(pki: Path) -> list[str]:
    """What extension API servers (metrics, tap) need to trust whom the API server speaks for."""
    return [
        f"--requestheader-client-ca-file={pki}/front-proxy-ca.crt",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
        f"--proxy-client-cert-file={pki}/front-proxy-client.crt",
        f"--proxy-client-key-file={pki}/front-proxy-client.key",
        "--enable-aggregator-routing=true",
    ]


def kube_controller_manager(
    binaries: Path, pki: Path, pod_range: str, service_range: str
) -> list[str]:
    """The default of 20 requests a second makes its forty controllers start over four seconds."""
    config = f"{pki}/controller-manager.kubeconfig"
    return [
        str(binaries / "kube-controller-manager"),
        f"--kubeconfig={config}",
        f"--authentication-kubeconfig={config}",
        f"--authorization-kubeconfig={config}",
        f"--client-ca-file={pki}/ca.crt",
        f"--root-ca-file={pki}/ca.crt",
        f"--service-account-private-key-file={pki}/sa.key",
        "--use-service-account-credentials=true",
        f"--cluster-signing-cert-file={pki}/ca.crt",
        f"--cluster-signing-key-file={pki}/ca.key",
        f"--requestheader-client-ca-file={pki}/front-proxy-ca.crt",
        "--allocate-node-cidrs=true",
        f"--cluster-cidr={pod_range}",
        f"--service-cluster-ip-range={service_range}",
        "--leader-elect=false",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
    ]


def kube_scheduler(binaries: Path, pki: Path) -> list[str]:
    config = f"{pki}/scheduler.kubeconfig"
    return [
        str(binaries / "kube-scheduler"),
        f"--kubeconfig={config}",
        f"--authentication-kubeconfig={config}",
        f"--authorization-kubeconfig={config}",
        "--leader-elect=false",
    ]


def kubelet(binaries: Path, pki: Path, config: Path, node: str, address: str) -> list[str]:
    return [
        str(binaries / "kubelet"),
        f"--config={config}",
        f"--kubeconfig={pki}/kubelet.kubeconfig",
        f"--hostname-override={node}",
        f"--node-ip={address}",
    ]


def kube_proxy(binaries: Path, pki: Path, node: str, pod_range: str) -> list[str]:
    """The conntrack settings are the machine's and read-only in a second network namespace."""
    return [
        str(binaries / "kube-proxy"),
        f"--kubeconfig={pki}/proxy.kubeconfig",
        f"--hostname-override={node}",
        f"--cluster-cidr={pod_range}",
        "--proxy-mode=iptables",
        "--conntrack-max-per-core=0",
        "--conntrack-tcp-timeout-established=0",
        "--conntrack-tcp-timeout-close-wait=0",
    ]
