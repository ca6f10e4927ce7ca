"""`tulle viz list`: which meshed pods can be tapped, and which not, and why."""

from typing import Any

import click

from tulle import names
from tulle.cli.target import Command, run, target
from tulle.install.workload_trust import meshed_pods, proxy_container

Json = dict[str, Any]

TAP_SETTING = "LINKERD2_PROXY_TAP_SVC_NAME"
DISABLED = "viz.linkerd.io/disable-tap"
SECTIONS = {
    "enabled": "pods with tap enabled:",
    "disabled": "pods with tap disabled by an annotation:",
    "missing": "pods that know nothing of tap, to be restarted:",
}


@click.command("list", cls=Command)
@click.option("-n", "--namespace", help="Namespace of the pods.")
@click.option("-A", "--all-namespaces", is_flag=True, help="In all namespaces.")
def command(namespace: str | None, all_namespaces: bool) -> None:
    """List the meshed pods whose traffic can be tapped."""
    place = target()
    within = None if all_namespaces else namespace or place.default_namespace()

    async def ask() -> list[Json]:
        async with await place.client() as client:
            pods = await meshed_pods(client, place.tulle_namespace)
        return [pod for pod in pods if within in (None, pod["metadata"]["namespace"])]

    found: dict[str, list[str]] = {key: [] for key in SECTIONS}
    for pod in run(ask()):
        metadata = pod["metadata"]
        if names.COMPONENT_LABEL not in (metadata.get("labels") or {}):
            found[_state(pod)].append(f"{metadata['namespace']}/{metadata['name']}")
    if not any(found.values()):
        where = f"in the namespace {within}" if within else "in any namespace"
        click.echo(f"no meshed pods {where}", err=True)
        return
    texts = [
        "\n".join((SECTIONS[key], *(f"\t* {name}" for name in sorted(pods))))
        for key, pods in found.items()
        if pods
    ]
    click.echo("\n\n".join(texts))


def _state(pod: Json) -> str:
    if DISABLED in (pod["metadata"].get("annotations") or {}):
        return "disabled"
    environment = (proxy_container(pod) or {}).get("env") or ()
    return "enabled" if any(item["name"] == TAP_SETTING for item in environment) else "missing"
