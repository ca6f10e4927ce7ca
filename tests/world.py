"""A cluster by value: manifests go in as the API server would send them, answers come out."""

from ipaddress import ip_network

from tulle.index.cluster import Cluster
from tulle.index.index import Index, Reader
from tulle.index.kinds import ALL
from tulle.k8s.store import Store

KINDS = {kind.name: kind for kind in ALL}
NETWORKS = (ip_network("10.0.0.0/8"), ip_network("192.168.0.0/16"))


def metadata(name, namespace="shop", **rest):
    return {"name": name, "namespace": namespace, **rest}


def endpoint(address, pod=None, **fields):
    conditions = {"ready": fields.pop("ready", True), "terminating": fields.pop("going", False)}
    made = {"addresses": [address], "conditions": conditions, **fields}
    return made if pod is None else {**made, "targetRef": {"kind": "Pod", "name": pod}}


class World:
    def __init__(self, **settings):
        self.store = Store()
        self.index = Index(self.store)
        self.cluster = Cluster(
            networks=NETWORKS, probe_networks=(ip_network("0.0.0.0/0"),), **settings
        )

    def put(self, kind, item):
        found = item["metadata"]
        key = (found.get("namespace", ""), found["name"])
        self.store.put(kind, key, KINDS[kind].prune(item))

    def remove(self, kind, name, namespace="shop"):
        self.store.put(kind, (namespace, name), None)

    def ask(self, view):
        return view(Reader(self.index))

    def service(self, name="web", ports=((80, "http", 8080),), namespace="shop", **rest):
        annotations = rest.pop("annotations", {})
        listed = [
            {"port": port, "name": label, "targetPort": target} for port, label, target in ports
        ]
        if (protocol := rest.pop("app_protocol", None)) is not None:
            listed[0]["appProtocol"] = protocol
        spec = {"clusterIP": "10.96.0.1", "ports": listed, **rest}
        found = metadata(name, namespace, annotations=annotations)
        self.put("Service", {"metadata": found, "spec": spec})

    def slice(self, *endpoints, service="web", ports=(("http", 8080),), namespace="shop", **rest):
        found = metadata(
            rest.pop("name", f"{service}-1"),
            namespace,
            labels={"kubernetes.io/service-name": service},
        )
        listed = [{"name": name, "port": port, "protocol": "TCP"} for name, port in ports]
        body = {"addressType": "IPv4", "ports": listed, "endpoints": list(endpoints), **rest}
        self.put("EndpointSlice", {"metadata": found, **body})

    def pod(self, name, address, *, meshed="tulle", labels=None, namespace="shop", **rest):
        labels = {"app": "web", "pod-template-hash": "abc", **(labels or {})}
        if meshed:
            labels["linkerd.io/control-plane-ns"] = meshed
        owner = {"kind": "ReplicaSet", "name": "web-abc", "controller": True}
        found = metadata(
            name,
            namespace,
            labels=labels,
            annotations=rest.pop("annotations", {}),
            ownerReferences=[owner],
        )
        container = {"name": "app", "ports": rest.pop("ports", []), **rest.pop("container", {})}
        spec = {
            "containers": [container],
            "serviceAccountName": "web",
            "nodeName": rest.pop("node", "one"),
            "hostNetwork": rest.pop("host_network", False),
        }
        status = {
            "phase": rest.pop("phase", "Running"),
            "podIP": address,
            "hostIPs": [{"ip": "192.168.0.1"}],
        }
        self.put("Pod", {"metadata": found, "spec": spec, "status": status})

    def node(self, name, zone):
        labels = {"topology.kubernetes.io/zone": zone}
        self.put("Node", {"metadata": {"name": name, "labels": labels}})

    def policy(self, kind, name, spec, namespace="shop", **rest):
        self.put(kind, {"metadata": metadata(name, namespace, **rest), "spec": spec})
