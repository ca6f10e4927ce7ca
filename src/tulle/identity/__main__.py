"""The identity component: `python -m tulle.identity`.

RBAC: cluster-wide `create` on tokenreviews.authentication.k8s.io and on events; nothing else.
Mounts: the issuer's Secret at --issuer, the trust roots' ConfigMap at --trust-roots.
"""

import argparse
import asyncio
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

from prometheus_client import Gauge

from tulle import names
from tulle.durations import seconds
from tulle.identity.authority import Authority
from tulle.identity.issuer import FILES, Lifetimes
from tulle.identity.service import Domain, Identity
from tulle.k8s.client import Client, Unreachable
from tulle.k8s.events import Recorder
from tulle.k8s.kubeconfig import KubeconfigError
from tulle.serve import admin, logs
from tulle.serve.grpc import GrpcServer

log = logs.Log("identity")


def _duration(text: str) -> timedelta:
    try:
        return timedelta(seconds=seconds(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(prog="tulle-identity", description="certifies proxies")
    found.add_argument("--controller-namespace", default=names.CONTROL_NAMESPACE)
    found.add_argument("--identity-trust-domain", default=names.TRUST_DOMAIN)
    found.add_argument("--identity-issuance-lifetime", type=_duration, default="24h")
    found.add_argument("--identity-clock-skew-allowance", type=_duration, default="20s")
    found.add_argument(
        "--identity-scheme", choices=sorted(FILES), default=names.LINKERD_ISSUER_SCHEME
    )
    found.add_argument("--spiffe-uri", action="store_true", help="add a SPIFFE URI to leaves")
    found.add_argument("--issuer", type=Path, default=Path(names.ISSUER_DIR))
    found.add_argument("--trust-roots", type=Path, default=Path(names.TRUST_ROOTS_FILE))
    found.add_argument("--addr", default=f":{names.IDENTITY_GRPC_PORT}")
    found.add_argument("--admin-addr", default=f":{names.IDENTITY_ADMIN_PORT}")
    found.add_argument("--kubeconfig")
    found.add_argument("--log-level", choices=sorted(logs.LEVELS), default="info")
    found.add_argument("--log-format", choices=logs.FORMATS, default="plain")
    return found


def _now() -> datetime:
    return datetime.now(UTC)


async def serve(options: argparse.Namespace, stop: asyncio.Event) -> None:
    async with await Client.from_environment(options.kubeconfig) as api:
        events = Recorder(api, names.IDENTITY)
        authority = Authority(
            options.issuer,
            options.trust_roots,
            options.identity_scheme,
            Lifetimes(options.identity_issuance_lifetime, options.identity_clock_skew_allowance),
            events,
            options.controller_namespace,
            _now,
        )
        gauge = Gauge("issuer_cert_ttl_seconds", "Seconds until the issuer certificate expires.")
        gauge.set_function(authority.seconds_left)
        domain = Domain(
            options.controller_namespace, options.identity_trust_domain, options.spiffe_uri
        )
        server = GrpcServer(options.addr, Identity(api, authority, domain, events, _now).handler())
        admin_listener = admin.listen(options.admin_addr)
        log.info("serving", grpc=server.port, admin=admin_listener.getsockname()[1])
        async with asyncio.TaskGroup() as tasks:
            recording = tasks.create_task(events.run(_lost))
            tasks.create_task(authority.follow(stop))
            tasks.create_task(admin.serve(authority.not_ready, admin_listener, stop))
            await server.serve(stop)
            recording.cancel()


def _lost(error: Exception) -> None:
    log.warn("cannot write an event", reason=error)


async def _run(options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve(options, stop)


def main() -> None:
    options = parser().parse_args()
    logs.configure(options.log_level, options.log_format)
    try:
        asyncio.run(_run(options))
    except (KubeconfigError, Unreachable, OSError) as error:
        raise SystemExit(f"identity: {error}") from error


if __name__ == "__main__":
    main()
