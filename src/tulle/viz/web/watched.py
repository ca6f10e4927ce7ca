"""What the dashboard watches in the cluster, pruned to what the journal and the search need."""

import ssl
import zlib
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from tulle import names
from tulle.k8s.watch import Kind

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Workload:
    kind: str
    namespace: str
    name: str
    created: float
    replicas: int
    template: int  # a checksum of the pods' template
    images: str
    rolled_out: float | None  # when the last rollout ended; known of Deployments


@dataclass(frozen=True, slots=True)
class Configured:
    """An object that changes how the mesh treats traffic."""

    kind: str
    namespace: str
    name: str
    what: str
    created: float
    version: int  # the generation, or a checksum of the spec where there is none


@dataclass(frozen=True, slots=True)
class TrustRoots:
    namespace: str
    name: str
    digest: int
    expiries: tuple[float, ...]


def moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def workload(kind: str, item: Json) -> Workload:
    metadata, spec, status = item["metadata"], item["spec"], item.get("status") or {}
    template = spec["template"]
    pod = template["spec"]
    images = [entry["image"].rpartition("/")[2] for entry in pod.get("containers") or ()]
    done = [
        moment(entry["lastUpdateTime"])
        for entry in status.get("conditions") or ()
        if entry.get("type") == "Progressing" and entry.get("reason") == "NewReplicaSetAvailable"
    ]
    return Workload(
        kind,
        metadata["namespace"],
        metadata["name"],
        moment(metadata["creationTimestamp"]),
        int(spec.get("replicas") or status.get("desiredNumberScheduled") or 0),
        _checksum(template),
        ", ".join(images),
        done[0] if done else None,
    )


def configured(kind: str, what: str, item: Json) -> Configured:
    metadata = item["metadata"]
    generation = metadata.get("generation")
    return Configured(
        kind,
        metadata.get("namespace", ""),
        metadata["name"],
        what,
        moment(metadata["creationTimestamp"]),
        int(generation) if generation else _checksum(item.get("spec")),
    )


def trust_roots(item: Json) -> TrustRoots:
    bundle = (item.get("data") or {}).get("ca-bundle.crt", "")
    metadata = item["metadata"]
    return TrustRoots(
        metadata["namespace"], metadata["name"], zlib.crc32(bundle.encode()), expiries(bundle)
    )


def expiries(bundle: str) -> tuple[float, ...]:
    """When each certificate of a PEM bundle ends; empty if it cannot be read."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=bundle)
    except (ssl.SSLError, ValueError):
        return ()
    ends = (str(found["notAfter"]) for found in context.get_ca_certs())
    return tuple(sorted(float(ssl.cert_time_to_seconds(text)) for text in ends))


def _checksum(content: object) -> int:
    return zlib.crc32(repr(content).encode())


def kinds(control_namespace: str) -> list[Kind]:
    """Each with the rights that `install` grants for it."""
    apps, gateway = "/apis/apps/v1", "/apis/gateway.networking.k8s.io"
    policy, split = "/apis/policy.linkerd.io", "/apis/split.smi-spec.io"
    roots = f"/api/v1/namespaces/{control_namespace}/configmaps"
    return [
        *(
            Kind(f"{kind}s", (f"{apps}/{kind}s",), partial(workload, kind))
            for kind in ("deployment", "statefulset", "daemonset")
        ),
        _configured("serviceprofile", "profile", "/apis/linkerd.io/v1alpha2/serviceprofiles"),
        _configured("server", "policy", f"{policy}/v1beta3/servers"),
        _configured("authorizationpolicy", "policy", f"{policy}/v1alpha1/authorizationpolicies"),
        _configured("httproute", "policy", f"{gateway}/v1/httproutes"),
        _configured("grpcroute", "policy", f"{gateway}/v1/grpcroutes"),
        _configured(
            "trafficsplit",
            "split",
            f"{split}/v1alpha4/trafficsplits",
            f"{split}/v1alpha2/trafficsplits",
        ),
        Kind(
            "trust-roots",
            (roots,),
            trust_roots,
            field_selector=f"metadata.name={names.TRUST_ROOTS_CONFIGMAP}",
        ),
    ]


def _configured(kind: str, what: str, *paths: str) -> Kind:
    return Kind(f"{kind}s", paths, partial(configured, kind, what))
