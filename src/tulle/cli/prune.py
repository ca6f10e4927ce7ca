"""`tulle prune`: what carries our label in the cluster, but is no longer part of an install."""

import datetime
from typing import Any

import click

from tulle import names
from tulle.cli.manifest import minimal, output_option, write
from tulle.cli.target import Command, Failure, Target, failing, run, target
from tulle.install import charts
from tulle.install.cluster import stored_install
from tulle.install.labelled import labelled_objects, removable
from tulle.install.manifests import render
from tulle.install.pem import BadCertificates
from tulle.install.plan import Given, certificates, values_from
from tulle.install.values import BadValue

Json = dict[str, Any]


@click.command("prune", cls=Command)
@output_option
@failing(BadValue, BadCertificates)
def command(output: str) -> None:
    """Print what an older version left behind, for kubectl delete -f -."""
    write(map(minimal, run(_left_behind(target()))), output)


async def _left_behind(place: Target) -> list[Json]:
    namespace = place.tulle_namespace
    async with await place.client() as client:
        stored = await stored_install(client, namespace)
        if stored is None:
            raise Failure(
                f"the namespace {namespace} has no Secret {names.OVERRIDES_SECRET}, so nothing "
                "was installed there by this command line; if it was Helm, helm upgrade prunes"
            )
        selector = f"{names.CONTROL_NAMESPACE_LABEL}={namespace}"
        present = await removable(client, await labelled_objects(client, selector))
    values = values_from(Given(), stored.overrides)
    now = datetime.datetime.now(datetime.UTC)
    kept = certificates(values, namespace, now, stored=stored.certificates)
    wanted = [*render(values, kept, namespace), *charts.resource_definitions(namespace)]
    known = {_key(item) for item in wanted}
    return [item for item in present if _key(item) not in known]


def _key(item: Json) -> tuple[str, str, str]:
    metadata = item["metadata"]
    return str(item["kind"]), str(metadata.get("namespace", "")), str(metadata["name"])
