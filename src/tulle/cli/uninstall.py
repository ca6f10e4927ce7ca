"""`tulle uninstall`: the objects of the control plane, as kubectl delete needs them."""

from typing import Any

import click

from tulle import names
from tulle.cli.manifest import minimal, output_option, write
from tulle.cli.target import Command, Failure, Target, run, target
from tulle.install.labelled import extensions, labelled_objects, removable
from tulle.install.workload_trust import meshed_pods
from tulle.k8s.client import Client

Json = dict[str, Any]


@click.command("uninstall", cls=Command)
@click.option("-f", "--force", is_flag=True, help="Even if extensions or meshed pods remain.")
@output_option
def command(force: bool, output: str) -> None:
    """Print all that an uninstall deletes, for kubectl delete -f -."""
    write(map(minimal, run(_objects(target(), force))), output)


async def _objects(place: Target, force: bool) -> list[Json]:
    namespace = place.tulle_namespace
    async with await place.client() as client:
        if not force:
            await _refuse_if_used(client, namespace)
        selector = f"{names.CONTROL_NAMESPACE_LABEL}={namespace}"
        found = await removable(client, await labelled_objects(client, selector))
    if not found:
        raise Failure(
            f"nothing carries the label {selector}, so there is nothing to uninstall; if the "
            "control plane is in another namespace, name it with -L"
        )
    return found


async def _refuse_if_used(client: Client, namespace: str) -> None:
    installed = await extensions(client)
    spaces = {item["metadata"]["name"] for item in installed}
    pods = [
        f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
        for pod in await meshed_pods(client, namespace)
        if pod["metadata"]["namespace"] not in {namespace, *spaces}
    ]
    lines = []
    for item in installed:
        name = item["metadata"]["labels"][names.EXTENSION_LABEL]
        lines.append(
            f"  * the extension {name} is installed; remove it first: "
            f"tulle {name} uninstall | kubectl delete -f -"
        )
    lines.extend(f"  * the pod {name} has a proxy; uninject its workload first" for name in pods)
    if lines:
        listed = "\n".join(lines)
        raise Failure(f"the mesh is in use (--force goes on in spite of it):\n{listed}")
