"""`tulle version`: what this program, the control plane and the proxies are."""

import asyncio
from collections import Counter
from typing import Any

import click

from tulle import names
from tulle.cli.target import Command, Target, run, target
from tulle.install.checks.proxies import control_version, proxy_version
from tulle.install.workload_trust import meshed_pods
from tulle.k8s.client import ApiError, Unreachable
from tulle.k8s.kubeconfig import KubeconfigError

Json = dict[str, Any]

PATIENCE_SECONDS = 5.0


@click.command("version", cls=Command)
@click.option("--short", is_flag=True, help="Bare versions, one per line.")
@click.option("--client", is_flag=True, help="Only this program's, without asking the cluster.")
@click.option("--proxy", is_flag=True, help="The proxies' too.")
@click.option("-n", "--namespace", help="Namespace of the proxies (all).")
def command(short: bool, client: bool, proxy: bool, namespace: str | None) -> None:
    """Print the versions of the client, the control plane and the proxies."""
    click.echo(names.VERSION if short else f"Client version: {names.VERSION}")
    if client:
        return
    server, proxies = run(_asked(target(), namespace, proxy))
    click.echo(server if short else f"Server version: {server}")
    if not proxy:
        return
    if not short:
        click.echo("Proxy versions:" if proxies else "Proxy versions: unavailable")
    for version, count in sorted(proxies.items()):
        click.echo(version if short else f"\t{version} ({count} pods)")


async def _asked(
    place: Target, namespace: str | None, with_proxies: bool
) -> tuple[str, Counter[str]]:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS), await place.client() as client:
            pods = await client.list(
                f"/api/v1/namespaces/{place.tulle_namespace}/pods",
                labelSelector=names.COMPONENT_LABEL,
            )
            meshed = []
            if with_proxies:
                meshed = await meshed_pods(client, place.tulle_namespace, namespace)
    except (ApiError, Unreachable, KubeconfigError, TimeoutError):
        return "unavailable", Counter()
    return control_version(pods) or "unavailable", Counter(map(proxy_version, meshed))
