"""The dashboard component: `python -m tulle.viz.web`. Numbers it asks of metrics-api, through its
own proxy.

RBAC: `watch` on all of tap.linkerd.io, unless an install withholds it; nothing else.
"""

import argparse
import asyncio
import re
import signal

import httpx

from tulle import names
from tulle.k8s.client import Client
from tulle.k8s.kubeconfig import KubeconfigError
from tulle.serve import admin, logs
from tulle.viz.web.app import Dashboard, host_pattern
from tulle.viz.web.live import Live
from tulle.viz.web.metrics import TIMEOUT_SECONDS, Metrics

log = logs.Log("viz.web")


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(prog="web", description="the dashboard")
    found.add_argument("--metrics-api-addr", required=True, help="HOST:PORT of metrics-api")
    found.add_argument("--viz-namespace", default=names.VIZ_NAMESPACE)
    found.add_argument("--cluster-domain", default=names.CLUSTER_DOMAIN)
    found.add_argument("--enforced-host", help="regular expression of the Host it answers to")
    found.add_argument("--addr", default=f":{names.WEB_PORT}")
    found.add_argument("--admin-addr", default=f":{names.WEB_ADMIN_PORT}")
    found.add_argument("--kubeconfig")
    found.add_argument("--log-level", choices=sorted(logs.LEVELS), default="info")
    found.add_argument("--log-format", choices=logs.FORMATS, default="plain")
    return found


def hosts(options: argparse.Namespace) -> re.Pattern[str]:
    if options.enforced_host:
        return re.compile(options.enforced_host)
    return host_pattern(options.viz_namespace, options.cluster_domain)


async def serve(options: argparse.Namespace, stop: asyncio.Event) -> None:
    base = f"http://{options.metrics_api_addr}"
    async with (
        await Client.from_environment(options.kubeconfig) as api,
        httpx.AsyncClient(base_url=base, timeout=TIMEOUT_SECONDS, trust_env=False) as http,
    ):
        dashboard = Dashboard(Metrics(http), hosts(options), Live(api))
        listener = admin.listen(options.addr)
        admin_listener = admin.listen(options.admin_addr)
        ports = [held.getsockname()[1] for held in (listener, admin_listener)]
        log.info("serving", http=ports[0], admin=ports[1])
        async with asyncio.TaskGroup() as tasks:
            admin_app = admin.application(lambda: None)
            tasks.create_task(admin.serve_http(admin_app, admin_listener, stop))
            await admin.serve_http(dashboard, listener, stop)


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
    except (KubeconfigError, OSError, re.error) as error:
        raise SystemExit(f"web: {error}") from error


if __name__ == "__main__":
    main()
