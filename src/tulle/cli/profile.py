"""`tulle profile`: a ServiceProfile from OpenAPI or protobuf, or one to be filled in by hand."""

import sys
from pathlib import Path
from typing import Any

import click

from tulle import names
from tulle.cli.completing import ObjectName
from tulle.cli.documents import objects
from tulle.cli.manifest import output_option, write
from tulle.cli.target import Command, Failure, Target, failing, run, target
from tulle.install.profile import (
    TEMPLATE,
    BadDescription,
    open_api_routes,
    protobuf_routes,
    service_profile,
)
from tulle.install.stored_values import NoInstall, read_values

Json = dict[str, Any]


@click.command("profile", cls=Command)
@click.argument("service", type=ObjectName("service"))
@click.option("--template", is_flag=True, help="One to be filled in by hand.")
@click.option(
    "--open-api", metavar="FILE|-", help="From an OpenAPI document, version 2 (Swagger) or 3."
)
@click.option("--proto", metavar="FILE|-", help="From a protobuf file.")
@click.option("-n", "--namespace", help="Namespace of the service.")
@click.option("--ignore-cluster", is_flag=True, help="Take the default cluster domain.")
@output_option
@failing(BadDescription, NoInstall)
def command(
    service: str,
    template: bool,
    open_api: str | None,
    proto: str | None,
    namespace: str | None,
    ignore_cluster: bool,
    output: str,
) -> None:
    """Print a ServiceProfile, for kubectl apply -f -."""
    if sum(map(bool, (template, open_api, proto))) != 1:
        raise Failure("give one of --template, --open-api and --proto")
    place = target()
    within = namespace or place.default_namespace()
    domain = names.CLUSTER_DOMAIN if ignore_cluster else run(cluster_domain(place))
    if open_api:
        described = next(objects(open_api, _content(open_api)), None)
        write([service_profile(service, within, domain, open_api_routes(described))], output)
    elif proto:
        found = protobuf_routes(_content(proto))
        write([service_profile(service, within, domain, found)], output)
    else:
        service_profile(service, within, domain, [])
        click.echo(TEMPLATE.format(service=service, namespace=within, domain=domain), nl=False)


async def cluster_domain(place: Target) -> str:
    async with await place.client() as client:
        return str((await read_values(client, place.tulle_namespace))["clusterDomain"])


def _content(name: str) -> str:
    if name == "-":
        return sys.stdin.read()
    try:
        return Path(name).read_text()
    except OSError as error:
        raise Failure(f"cannot read {name}: {error.strerror}") from error
