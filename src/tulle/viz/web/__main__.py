"""The dashboard component: `python -m tulle.viz.web`. Numbers it asks of metrics-api, through its
own proxy; a sample of all of them it keeps each ten seconds.

RBAC: `watch` on all of tap.linkerd.io, unless an install withholds it; `list`, `watch` on what the
journal of changes (watched.py) and the splits (splits.py) are made of, `get` on ServiceProfiles. It
writes nothing but with the token of who asks.
"""

import argparse
import asyncio
import contextlib
import re
import signal

import httpx

from tulle import names
from tulle.k8s.client import Client
from tulle.k8s.kubeconfig import KubeconfigError
from tulle.k8s.store import Store
from tulle.k8s.watch import Watch
from tulle.serve import admin, asgi, logs
from tulle.viz.web import store as history
from tulle.viz.web.app import Dashboard, host_pattern
from tulle.viz.web.collector import Collector
from tulle.viz.web.journal import Journal
from tulle.viz.web.live import Live
from tulle.viz.web.metrics import TIMEOUT_SECONDS, Metrics
from tulle.viz.web.sources import Place, Sources
from tulle.viz.web.store import Limits
from tulle.viz.web.watched import kinds

log = logs.Log("viz.web")


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(prog="web", description="the dashboard")
    found.add_argument("--metrics-api-addr", required=True, help="HOST:PORT of metrics-api")
    found.add_argument("--viz-namespace", default=names.VIZ_NAMESPACE)
    found.add_argument("--controller-namespace", default=names.CONTROL_NAMESPACE)
    found.add_argument("--cluster-domain", default=names.CLUSTER_DOMAIN)
    found.add_argument("--identity-trust-domain", default=names.TRUST_DOMAIN)
    found.add_argument("--history-file", help="where the history is kept; without it, in memory")
    found.add_argument("--history-series", type=int, default=history.MAX_SERIES)
    most = history.MAX_BYTES // (1024 * 1024)
    found.add_argument("--history-mebibytes", type=int, default=most)
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
        limits = Limits(options.history_series, options.history_mebibytes * 1024 * 1024)
        with contextlib.closing(history.Store(options.history_file, limits)) as kept:
            place = Place(
                options.viz_namespace,
                options.controller_namespace,
                options.cluster_domain,
                options.identity_trust_domain,
            )
            sources = Sources(Metrics(http), kept, live=Live(api), api=api, place=place)
            await _serve(options, sources, api, stop)


async def _serve(
    options: argparse.Namespace, sources: Sources, api: Client, stop: asyncio.Event
) -> None:
    dashboard = Dashboard(sources, hosts(options))
    collector = Collector(
        sources.metrics.get, sources.history, sources.recent, sources.journal, sources.clock
    )
    objects = Store()
    watches = []
    for kind in kinds(options.controller_namespace):
        objects.listen(kind.name, sources.journal.hear)
        watches.append(Watch(kind, api, objects, log))
    listener = admin.listen(options.addr)
    admin_listener = admin.listen(options.admin_addr)
    ports = [held.getsockname()[1] for held in (listener, admin_listener)]
    log.info("serving", http=ports[0], admin=ports[1], history=options.history_file or "memory")
    async with asyncio.TaskGroup() as tasks:
        background = [tasks.create_task(watch.follow()) for watch in watches]
        background.append(tasks.create_task(_when_listed(watches, sources.journal)))
        background.append(tasks.create_task(collector.follow()))
        tasks.create_task(admin.serve(lambda: None, admin_listener, stop))
        await asgi.serve(dashboard, listener, stop)
        for task in background:
            task.cancel()


async def _when_listed(watches: list[Watch], journal: Journal) -> None:
    for watch in watches:
        await watch.settled.wait()
    journal.is_listed = True


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
