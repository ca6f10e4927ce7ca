"""The tap component: `python -m tulle.viz.tap`.

RBAC: `list` and `watch` on pods; system:auth-delegator, to ask what users may; in kube-system
extension-apiserver-authentication-reader, to know the API server; to renew its certificate `get`,
`patch` on its Secret and its APIService. Mounts: Secret at --tls.
"""

import argparse
import asyncio
import signal
import ssl
from pathlib import Path

from tulle import names
from tulle.k8s.client import ApiError, Client, Unreachable
from tulle.k8s.kubeconfig import KubeconfigError
from tulle.k8s.store import Store
from tulle.k8s.watch import Watch
from tulle.serve import admin, asgi, logs
from tulle.serve.certs import CertificateError, ServingCertificate
from tulle.serve.peers import PeerProtocol, asks_for_certificates
from tulle.serve.renewal import API_SERVICES, Renewal, Served
from tulle.viz.tap.access import CONFIG_PATH, BadAuthentication, FrontProxy
from tulle.viz.tap.api import TapApi
from tulle.viz.tap.observe import Surroundings
from tulle.viz.tap.pods import PODS, Pods

log = logs.Log("viz.tap")

FRONT_PROXY_SECONDS = 60.0  # how soon a new front-proxy CA is trusted


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(prog="tap", description="a live sample of requests")
    found.add_argument("--identity-trust-domain", default=names.TRUST_DOMAIN)
    found.add_argument("--tls", type=Path, default=Path(names.SERVING_TLS_DIR))
    found.add_argument("--renew-certificate-in", metavar="NAMESPACE", help="where its Secret is")
    found.add_argument("--addr", default=f":{names.TAP_HTTPS_PORT}")
    found.add_argument("--admin-addr", default=f":{names.TAP_ADMIN_PORT}")
    found.add_argument("--control-port", type=int, default=names.CONTROL_PORT)
    found.add_argument("--ignore-headers", default="", help="names that no tap shows, by commas")
    found.add_argument("--kubeconfig")
    found.add_argument("--log-level", choices=sorted(logs.LEVELS), default="info")
    found.add_argument("--log-format", choices=logs.FORMATS, default="plain")
    return found


async def _follow_front_proxy(
    api: Client, served: TapApi, context: ssl.SSLContext, stop: asyncio.Event
) -> None:
    while not stop.is_set():
        try:
            async with asyncio.timeout(FRONT_PROXY_SECONDS):
                await stop.wait()
        except TimeoutError:
            pass
        try:
            found = FrontProxy.from_config_map(await api.get(CONFIG_PATH))
        except (ApiError, Unreachable, BadAuthentication) as error:
            log.warn("kept what was known of the API server", reason=error)
            continue
        if found.authorities != served.front_proxy.authorities:
            context.load_verify_locations(cadata=found.authorities)
        served.front_proxy = found


async def serve(options: argparse.Namespace, stop: asyncio.Event) -> None:
    async with await Client.from_environment(options.kubeconfig) as api:
        front_proxy = FrontProxy.from_config_map(await api.get(CONFIG_PATH))
        certificate = ServingCertificate(options.tls)
        certificate.context.minimum_version = ssl.TLSVersion.TLSv1_3
        asks_for_certificates(certificate.context, front_proxy.authorities)
        store = Store()
        pods = Pods(store)
        watch = Watch(PODS, api, store, log)
        ignored = frozenset(filter(None, options.ignore_headers.lower().split(",")))
        around = Surroundings(options.identity_trust_domain, options.control_port, pods.at, ignored)
        tap = TapApi(api, front_proxy, pods, around)
        listener = admin.listen(options.addr)
        admin_listener = admin.listen(options.admin_addr)
        ports = [held.getsockname()[1] for held in (listener, admin_listener)]
        log.info("serving", https=ports[0], admin=ports[1])
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(watch.follow())
            tasks.create_task(certificate.follow(stop))
            if space := options.renew_certificate_in:
                tasks.create_task(Renewal(api, certificate_served(space)).follow(stop))
            tasks.create_task(_follow_front_proxy(api, tap, certificate.context, stop))

            def not_ready() -> str | None:
                return None if watch.settled.is_set() else "pods are not listed yet"

            tasks.create_task(admin.serve(not_ready, admin_listener, stop))
            await asgi.serve(tap, listener, stop, tls=certificate.context, protocol=PeerProtocol)
            watching.cancel()


def certificate_served(namespace: str) -> Served:
    trust = f"{API_SERVICES}/{names.TAP_VERSION}.{names.TAP_GROUP}"
    return Served(namespace, names.TAP_TLS_SECRET, trust, f"{names.TAP}.{namespace}.svc")


async def _run(options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve(options, stop)


REFUSALS = (
    ApiError,
    BadAuthentication,
    CertificateError,
    KubeconfigError,
    OSError,
    Unreachable,
)


def main() -> None:
    options = parser().parse_args()
    logs.configure(options.log_level, options.log_format)
    try:
        asyncio.run(_run(options))
    except REFUSALS as error:
        raise SystemExit(f"tap: {error}") from error


if __name__ == "__main__":
    main()
