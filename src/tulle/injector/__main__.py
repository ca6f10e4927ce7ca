"""The injector component: `python -m tulle.injector`.

RBAC, cluster-wide: `get` on namespaces, replicasets.apps and jobs.batch; `create` on events. To
renew its certificate: `get`, `patch` on its Secret and on its webhook configuration.
Mounts: ConfigMap with the values at --values, trust roots at --trust-roots, Secret at --tls.
"""

import argparse
import asyncio
import re
import signal
from pathlib import Path

from tulle import names
from tulle.injector.owners import Owners
from tulle.injector.settings import ValuesError
from tulle.injector.source import Source
from tulle.injector.webhook import Webhook
from tulle.k8s.client import ApiError, Client, Unreachable
from tulle.k8s.events import Recorder
from tulle.k8s.kubeconfig import KubeconfigError
from tulle.serve import admin, asgi, logs
from tulle.serve.certs import CertificateError, ServingCertificate
from tulle.serve.renewal import WEBHOOKS, Renewal, Served

log = logs.Log("injector")


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(prog="tulle-proxy-injector", description="meshes pods")
    found.add_argument("--controller-namespace", default=names.CONTROL_NAMESPACE)
    found.add_argument("--values", type=Path, default=Path(names.VALUES_FILE))
    found.add_argument("--trust-roots", type=Path, default=Path(names.TRUST_ROOTS_FILE))
    found.add_argument("--tls", type=Path, default=Path(names.SERVING_TLS_DIR))
    found.add_argument("--renew-certificate-in", metavar="NAMESPACE", help="where its Secret is")
    found.add_argument("--addr", default=f":{names.INJECTOR_HTTPS_PORT}")
    found.add_argument("--admin-addr", default=f":{names.INJECTOR_ADMIN_PORT}")
    found.add_argument("--kubeconfig")
    found.add_argument("--log-level", choices=sorted(logs.LEVELS), default="info")
    found.add_argument("--log-format", choices=logs.FORMATS, default="plain")
    return found


async def _kubernetes_version(api: Client) -> tuple[int, int]:
    """Major and minor; some distributions write the minor as `29+`."""
    found = await api.get("/version")
    major, minor = (re.sub(r"\D", "", str(found.get(part, ""))) for part in ("major", "minor"))
    return int(major or 1), int(minor or 0)


async def serve(options: argparse.Namespace, stop: asyncio.Event) -> None:
    async with await Client.from_environment(options.kubeconfig) as api:
        source = Source(
            options.values,
            options.trust_roots,
            control_namespace=options.controller_namespace,
            kubernetes_version=await _kubernetes_version(api),
        )
        certificate = ServingCertificate(options.tls)
        events = Recorder(api, names.PROXY_INJECTOR)
        webhook = Webhook(api, source, Owners(api), events)
        listener = admin.listen(options.addr)
        admin_listener = admin.listen(options.admin_addr)
        ports = [held.getsockname()[1] for held in (listener, admin_listener)]
        log.info("serving", https=ports[0], admin=ports[1])
        async with asyncio.TaskGroup() as tasks:
            recording = tasks.create_task(events.run(_lost))
            tasks.create_task(source.follow(stop))
            tasks.create_task(certificate.follow(stop))
            if space := options.renew_certificate_in:
                tasks.create_task(Renewal(api, certificate_served(space)).follow(stop))
            tasks.create_task(admin.serve(lambda: None, admin_listener, stop))
            await asgi.serve(webhook, listener, stop, tls=certificate.context)
            recording.cancel()


def certificate_served(namespace: str) -> Served:
    trust = f"{WEBHOOKS}/{names.INJECTOR_WEBHOOK_CONFIG}"
    host = f"{names.PROXY_INJECTOR}.{namespace}.svc"
    return Served(namespace, names.INJECTOR_TLS_SECRET, trust, host)


def _lost(error: Exception) -> None:
    log.warn("cannot write an event", reason=error)


async def _run(options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve(options, stop)


REFUSALS = (ApiError, CertificateError, KubeconfigError, OSError, Unreachable, ValuesError)


def main() -> None:
    options = parser().parse_args()
    logs.configure(options.log_level, options.log_format)
    try:
        asyncio.run(_run(options))
    except REFUSALS as error:
        raise SystemExit(f"proxy-injector: {error}") from error


if __name__ == "__main__":
    main()
