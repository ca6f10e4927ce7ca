"""`tulle viz install`: the manifests of metrics-api, Prometheus and their companions."""

from typing import Any

import click

from tulle import names
from tulle.cli.flags import helm_options
from tulle.cli.install import require_definitions
from tulle.cli.manifest import output_option, write
from tulle.cli.target import Command, Target, failing, run, target
from tulle.install.objects import decoded
from tulle.install.plan import Given
from tulle.install.stored_values import NoInstall, read_values
from tulle.install.values import BadValue
from tulle.install.viz import render, values_from

Json = dict[str, Any]


@click.command("install", cls=Command)
@click.option("--ignore-cluster", is_flag=True, help="Ask no cluster anything.")
@click.option("--ha", is_flag=True, help="Resources that hold under load, and replicas.")
@click.option(
    "--viz-namespace", default=names.VIZ_NAMESPACE, help=f"Its namespace ({names.VIZ_NAMESPACE})."
)
@helm_options
@output_option
@failing(BadValue, NoInstall)
def command(
    ignore_cluster: bool, ha: bool, viz_namespace: str, output: str, **options: Any
) -> None:
    """Print the manifests of viz, for kubectl apply -f -."""
    place = target()
    control, secrets = ({}, {}) if ignore_cluster else run(_known(place, viz_namespace))
    given = Given(
        high_availability=ha,
        files=options["files"],
        settings=options["settings"],
        texts=options["texts"],
        contents=options["contents"],
        flags={"linkerdNamespace": place.tulle_namespace},
    )
    write(render(values_from(given, control), viz_namespace, secrets), output)


async def _known(place: Target, namespace: str) -> tuple[Json, dict[str, dict[str, str]]]:
    """The control plane's values, and the Secrets that viz has already."""
    async with await place.client() as client:
        control = await read_values(client, place.tulle_namespace)
        await require_definitions(client)
        stored = await client.list(
            f"/api/v1/namespaces/{namespace}/secrets",
            labelSelector=f"{names.EXTENSION_LABEL}={names.VIZ_EXTENSION}",
        )
    return control, {
        item["metadata"]["name"]: {
            key: decoded(text) for key, text in (item.get("data") or {}).items()
        }
        for item in stored
    }
