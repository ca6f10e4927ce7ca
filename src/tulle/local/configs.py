"""The configuration files of containerd, the kubelet and the pod network; pure."""

import json
from dataclasses import dataclass
from pathlib import Path

import yaml

from tulle.local.plan import Plan

SOCKET = "/run/containerd/containerd.sock"  # inside the node, whose /run is its own
CNI_BINARIES = "/opt/cni/bin"
CNI_CONFIG = "/etc/cni/net.d"
PAUSE_IMAGE = "tulle.local/pause:1"


@dataclass(frozen=True, slots=True)
class Runtime:
    """Where containerd and its helpers are, and what this machine withholds."""

    runc: Path
    can_lower_oom_score: bool  # CAP_SYS_RESOURCE


def containerd(plan: Plan, runtime: Runtime) -> str:
    """Without CAP_SYS_RESOURCE runc dies on a negative oom_score_adj, unless it is restricted."""
    restricted = "false" if runtime.can_lower_oom_score else "true"
    cri = 'plugins."io.containerd.grpc.v1.cri"'
    return f"""version = 2
root = "{plan.directory}/containerd"
state = "/run/containerd/state"
[grpc]
  address = "{SOCKET}"
[{cri}]
  sandbox_image = "{PAUSE_IMAGE}"
  restrict_oom_score_adj = {restricted}
[{cri}.cni]
  bin_dir = "{CNI_BINARIES}"
  conf_dir = "{CNI_CONFIG}"
[{cri}.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[{cri}.containerd.runtimes.runc.options]
  BinaryName = "{runtime.runc}"
  SystemdCgroup = false
"""


def kubelet(plan: Plan) -> str:
    """Cgroup v1 is allowed, evictions happen late: the disk and memory are the user's own."""
    return yaml.safe_dump(
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": f"{plan.pki}/ca.crt"},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": f"{plan.pki}/kubelet.crt",
            "tlsPrivateKeyFile": f"{plan.pki}/kubelet.key",
            "containerRuntimeEndpoint": f"unix://{SOCKET}",
            "cgroupDriver": "cgroupfs",
            "failCgroupV1": False,
            "failSwapOn": False,
            "clusterDNS": [plan.dns_address],
            "clusterDomain": plan.domain,
            "resolvConf": "/etc/resolv.conf",
            "imageGCHighThresholdPercent": 100,
            "imageGCLowThresholdPercent": 99,
            "evictionHard": {
                "memory.available": "100Mi",
                "nodefs.available": "1%",
                "imagefs.available": "1%",
                "nodefs.inodesFree": "1%",
            },
            "serializeImagePulls": False,
            "syncFrequency": "10s",
        }
    )


def pod_network(plan: Plan) -> str:
    """A bridge. Leases live in the node's /run: a node that died took its pods with it."""
    addresses = {
        "type": "host-local",
        "dataDir": "/run/cni/networks",
        "ranges": [[{"subnet": str(plan.node_pods)}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "ipMasq": True,
        "hairpinMode": True,
        "ipam": addresses,
    }
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return json.dumps({"cniVersion": "1.0.0", "name": "tulle", "plugins": [bridge, ports]})
