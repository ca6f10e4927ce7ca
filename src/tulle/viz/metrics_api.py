"""The component metrics-api: `python -m tulle.viz.metrics_api`.

RBAC, cluster-wide: `get`, `list` on workloads, Services, namespaces and TrafficSplits, and `watch`
on pods too.
"""

import argparse
import asyncio
import signal

import httpx

from tulle import names
from tulle.k8s.client import ApiError, Client, Unreachable
from tulle.k8s.kubeconfig import KubeconfigError
from tulle.k8s.store import Store
from tulle.k8s.watch import Watch
from tulle.serve import admin, asgi, logs
from tulle.serve.grpc import GrpcServer
from tulle.viz.api import Api
from tulle.viz.grpc_api import handler
from tulle.viz.inventory import Inventory
from tulle.viz.pods import WATCHED
from tulle.viz.prometheus import Prometheus

log = logs.Log("metrics-api")


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(prog="tulle-metrics-api", description="answers stat and edges")
    found.add_argument("--controller-namespace", default=names.CONTROL_NAMESPACE)
    found.add_argument("--cluster-domain", default=names.CLUSTER_DOMAIN)
    found.add_argument("--prometheus-url", required=True)
    found.add_argument("--addr", default=f":{names.METRICS_API_PORT}")
    found.add_argument("--grpc-addr", default=f":{names.METRICS_API_GRPC_PORT}")
    found.add_argument("--admin-addr", default=f":{names.METRICS_API_ADMIN_PORT}")
    found.add_argument("--kubeconfig")
    found.add_argument("--log-level", choices=sorted(logs.LEVELS), default="info")
    found.add_argument("--log-format", choices=logs.FORMATS, default="plain")
    return found


async def serve(options: argparse.Namespace, stop: asyncio.Event) -> None:
    async with (
        await Client.from_environment(options.kubeconfig) as client,
        httpx.AsyncClient(trust_env=False) as http,
    ):
        store = Store()
        watch = Watch(WATCHED, client, store, log)
        inventory = Inventory(client, store, options.controller_namespace)
        api = Api(inventory, Prometheus(http, options.prometheus_url), options.cluster_domain)
        listener, admin_listener = admin.listen(options.addr), admin.listen(options.admin_addr)
        grpc = GrpcServer(options.grpc_addr, handler(api))
        ports = [held.getsockname()[1] for held in (listener, admin_listener)]
        url = options.prometheus_url
        log.info("serving", http=ports[0], grpc=grpc.port, admin=ports[1], prometheus=url)

        def not_ready() -> str | None:
            return None if watch.settled.is_set() else "pods were not listed yet"

        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(watch.follow())
            tasks.create_task(admin.serve(not_ready, admin_listener, stop))
            tasks.create_task(grpc.serve(stop))
            await asgi.serve(api, listener, stop)
            watching.cancel()


async def _run(options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve(options, stop)


REFUSALS = (ApiError, KubeconfigError, OSError, Unreachable)


def main() -> None:
    options = parser().parse_args()
    logs.configure(options.log_level, options.log_format)
    try:
        asyncio.run(_run(options))
    except REFUSALS as error:
        raise SystemExit(f"metrics-api: {error}") from error


if __name__ == "__main__":
    main()
