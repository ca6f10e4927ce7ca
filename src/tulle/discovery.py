"""The control plane's discovery: one process that answers Destination and policy over one index.

RBAC, cluster-wide `get, list, watch`:

- "" (core): namespaces, nodes, pods, services
- discovery.k8s.io: endpointslices
- linkerd.io: serviceprofiles
- policy.linkerd.io: servers, serverauthorizations, authorizationpolicies, meshtlsauthentications,
  networkauthentications, httproutes, httplocalratelimitpolicies, egressnetworks
- gateway.networking.k8s.io: httproutes, grpcroutes, tlsroutes, tcproutes
- split.smi-spec.io: trafficsplits; specs.smi-spec.io: httproutegroups

and cluster-wide `update`, for the status of policies:

- policy.linkerd.io: httproutes/status, egressnetworks/status, httplocalratelimitpolicies/status
- gateway.networking.k8s.io: httproutes/status, grpcroutes/status, tlsroutes/status,
  tcproutes/status

`create`, `get`, `update` on leases.coordination.k8s.io in the control plane's namespace, and to
renew its certificate `get`, `patch` on its Secret and its webhook configuration.
Mounts: Secret at --tls; without it, policies are not validated.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable
from functools import partial
from ipaddress import ip_network
from pathlib import Path

from prometheus_client import Counter, Gauge

from tulle import names
from tulle.destination.service import Destination
from tulle.index.cluster import Cluster
from tulle.index.follow import Follower
from tulle.index.index import Index
from tulle.index.policies import Network
from tulle.index.ports import PortSet
from tulle.index.views import Views
from tulle.k8s.client import Client
from tulle.k8s.kubeconfig import KubeconfigError
from tulle.k8s.lease import Lease
from tulle.k8s.store import Change, Store
from tulle.policy.authorize import DEFAULT_POLICIES
from tulle.policy.service import Inbound, Outbound
from tulle.policy.status_writer import StatusWriter
from tulle.policy.validate import Validator
from tulle.serve import admin, asgi, logs
from tulle.serve.certs import CertificateError, ServingCertificate
from tulle.serve.grpc import GrpcServer
from tulle.serve.renewal import VALIDATING_WEBHOOKS, Renewal, Served

log = logs.Log("discovery")


def _networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return text == "true"


def _add_cluster(add: Callable[..., object]) -> None:
    """The flags that answers depend on."""
    add("--controller-namespace", default=names.CONTROL_NAMESPACE)
    add("--identity-trust-domain", default=names.TRUST_DOMAIN)
    add("--cluster-domain", default=names.CLUSTER_DOMAIN)
    networks = ",".join(names.DEFAULT_CLUSTER_NETWORKS)
    add("--cluster-networks", type=_networks, default=networks, metavar="CIDR,…")
    add("--probe-networks", type=_networks, default="0.0.0.0/0,::/0", metavar="CIDR,…")
    add("--default-policy", choices=DEFAULT_POLICIES, default="all-unauthenticated")
    ports = ",".join(map(str, names.DEFAULT_OPAQUE_PORTS))
    add("--default-opaque-ports", type=PortSet, default=ports, metavar="PORT,…")
    modes = ("transparent", "transport-header")
    add("--outbound-transport-mode", choices=modes, default="transparent")
    add("--enable-h2-upgrade", type=_boolean, nargs="?", const=True, default=True)
    add("--global-egress-network-namespace", default="tulle-egress")
    add("--allow-l5d-request-headers", action="store_true")


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="tulle-discovery", description="Destination and policy")
    add = made.add_argument
    add("--addr", default=f":{names.DESTINATION_GRPC_PORT}", help="Destination's gRPC address")
    add("--policy-addr", default=f":{names.POLICY_GRPC_PORT}", help="policy's gRPC address")
    add("--admin-addr", default=f":{names.DESTINATION_ADMIN_PORT}")
    add("--validator-addr", default=f":{names.POLICY_HTTPS_PORT}", help="the webhook's address")
    add("--tls", type=Path, metavar="FOLDER", help="the webhook's certificate; none: no webhook")
    add("--renew-certificate-in", metavar="NAMESPACE", help="where its Secret is")
    _add_cluster(add)
    add("--kubeconfig", help="outside a pod: how to reach the API server")
    add("--log-level", choices=sorted(logs.LEVELS), default="info")
    add("--log-format", choices=logs.FORMATS, default="plain")
    return made


def cluster_of(options: argparse.Namespace) -> Cluster:
    return Cluster(
        control_namespace=options.controller_namespace,
        trust_domain=options.identity_trust_domain,
        cluster_domain=options.cluster_domain.rstrip("."),
        networks=options.cluster_networks,
        probe_networks=options.probe_networks,
        default_policy=options.default_policy,
        default_opaque_ports=options.default_opaque_ports,
        transports_always=options.outbound_transport_mode == "transport-header",
        h2_upgrade=options.enable_h2_upgrade,
        global_egress_namespace=options.global_egress_network_namespace,
        allows_request_headers=options.allow_l5d_request_headers,
    )


def _held(store: Store, kind: str) -> float:
    return float(len(store.all(kind)))


def _count(counter: Counter, _change: Change) -> None:
    counter.inc()


def _measure(follower: Follower, store: Store, views: Views) -> None:
    """What the index holds, how much of it changes and who listens."""
    objects = Gauge("index_objects", "Objects in the index.", ("kind",))
    changes = Counter("index_changes", "Objects that came, changed or went.", ("kind",))
    answers = Gauge("discovery_views", "Distinct answers being kept current.")
    answers.set_function(lambda: float(len(views)))
    subscribers = Gauge("discovery_subscribers", "Streams that follow an answer.")
    subscribers.set_function(lambda: float(views.subscribers))
    for watch in follower.watches:
        kind = watch.kind.name
        objects.labels(kind).set_function(partial(_held, store, kind))
        store.listen(kind, partial(_count, changes.labels(kind)))


async def _serve_when_known(
    options: argparse.Namespace, follower: Follower, views: Views, stop: asyncio.Event
) -> None:
    """An answer out of an index that is not complete would say that nothing is there."""
    cluster = cluster_of(options)
    await follower.settled()
    inbound, outbound = Inbound(cluster, views), Outbound(cluster, views)
    destination = GrpcServer(options.addr, Destination(cluster, views).handlers())
    policy = GrpcServer(options.policy_addr, inbound.handlers(), outbound.handlers())
    async with asyncio.TaskGroup() as tasks:
        ports = {"destination": destination.port, "policy": policy.port}
        if options.tls is not None:
            certificate = ServingCertificate(options.tls)
            listener = admin.listen(options.validator_addr)
            ports["validator"] = listener.getsockname()[1]
            tasks.create_task(certificate.follow(stop))
            served = asgi.serve(Validator(views), listener, stop, tls=certificate.context)
            tasks.create_task(served)
        log.info("serving", **ports)
        tasks.create_task(destination.serve(stop))
        tasks.create_task(policy.serve(stop))


def certificate_served(namespace: str) -> Served:
    trust = f"{VALIDATING_WEBHOOKS}/{names.POLICY_VALIDATOR_WEBHOOK_CONFIG}"
    host = f"{names.POLICY_VALIDATOR_SERVICE}.{namespace}.svc"
    return Served(namespace, names.POLICY_VALIDATOR_TLS_SECRET, trust, host)


def _status_writer(
    options: argparse.Namespace, client: Client, views: Views, follower: Follower
) -> StatusWriter:
    holder = f"{socket.gethostname()}-{os.getpid()}"
    lease = Lease(client, options.controller_namespace, names.POLICY_WRITE_LEASE, holder)
    return StatusWriter(client, views, lease, follower.path_of)


async def _write_when_known(follower: Follower, writer: StatusWriter) -> None:
    await follower.settled()
    await writer.write_for_ever()


async def serve(options: argparse.Namespace, stop: asyncio.Event) -> None:
    """Until `stop` is set: streams are cut first, so that proxies turn to another replica."""
    async with await Client.from_environment(options.kubeconfig) as client:
        store = Store()
        views, follower = Views(Index(store)), Follower(client, store)
        _measure(follower, store, views)
        listener = admin.listen(options.admin_addr)
        log.info("starting", admin=listener.getsockname()[1])
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(follower.follow())
            tasks.create_task(admin.serve(follower.not_ready, listener, stop))
            if space := options.renew_certificate_in:
                tasks.create_task(Renewal(client, certificate_served(space)).follow(stop))
            writer = _status_writer(options, client, views, follower)
            writing = tasks.create_task(_write_when_known(follower, writer))
            serving = tasks.create_task(_serve_when_known(options, follower, views, stop))
            await stop.wait()
            if not follower.is_settled:
                serving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await serving
            writing.cancel()
            watching.cancel()
        log.info("stopped")


async def run(options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await serve(options, stop)


def main(words: list[str] | None = None) -> int:
    options = parser().parse_args(words)
    logs.configure(options.log_level, options.log_format)
    try:
        asyncio.run(run(options))
    except (CertificateError, KubeconfigError) as error:
        log.error("cannot start", error=error)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
