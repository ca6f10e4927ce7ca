"""`tulle viz uninstall`: the objects of viz, as kubectl delete needs them."""

from typing import Any

import click

from tulle import names
from tulle.cli.manifest import minimal, output_option, write
from tulle.cli.target import Command, Failure, Target, run, target
from tulle.install.labelled import labelled_objects, policies, removable
from tulle.k8s.client import Client

Json = dict[str, Any]

SELECTOR = f"{names.EXTENSION_LABEL}={names.VIZ_EXTENSION}"


@click.command("uninstall", cls=Command)
@output_option
def command(output: str) -> None:
    """Print all of viz, for kubectl delete -f -."""
    write(map(minimal, run(_objects(target()))), output)


async def labelled(client: Client) -> list[Json]:
    """Those of every namespace: `viz allow-scrapes` puts policies beside the workloads."""
    found = await policies(client, SELECTOR)
    found += await labelled_objects(client, SELECTOR)
    return await removable(client, found)


async def _objects(place: Target) -> list[Json]:
    async with await place.client() as client:
        found = await labelled(client)
    if not found:
        raise Failure(
            f"nothing carries the label {SELECTOR}, so there is nothing of viz to uninstall"
        )
    return found
