"""`tulle authz`: the authorizations of an object's pods, as the policy objects say."""

import asyncio
from typing import Any

import click

from tulle.cli.resources import Resource, pods_of, resources
from tulle.cli.table import table
from tulle.cli.target import Failure, Target, run, target
from tulle.cli.watching import TableCommand
from tulle.install.authorizations import GATEWAY, POLICY, PolicyObjects, Row, authorizations
from tulle.k8s.client import Client, NotFound

Json = dict[str, Any]

HEADER = ("ROUTE", "SERVER", "AUTHORIZATION_POLICY", "SERVER_AUTHORIZATION")


@click.command("authz", cls=TableCommand)
@click.argument("words", nargs=-1, required=True, metavar="TYPE/NAME")
@click.option("-n", "--namespace", help="Namespace of the object.")
def command(words: tuple[str, ...], namespace: str | None) -> None:
    """List the authorizations that hold for an object's pods."""
    place = target()
    found = resources(words)
    if len(found) != 1:
        raise Failure("name one object, such as deployment/web")
    within = namespace or place.default_namespace()
    rows = run(known_authorizations(place, found[0], within))
    if not rows:
        click.echo(f"no authorization names a port of {found[0]} in {within}", err=True)
        return
    cells = [(row.route, row.server, row.policy, row.server_authorization) for row in rows]
    click.echo(table(HEADER, cells, gutter=2), nl=False)


async def known_authorizations(
    place: Target, resource: Resource, namespace: str, selector: str = ""
) -> list[Row]:
    """Of the pods that a resource stands for; all pods of the namespace where it names none."""
    async with await place.client() as client:
        if selector or not resource.name:
            path = f"/api/v1/namespaces/{namespace}/pods"
            pods = await client.list(path, labelSelector=selector or None)
        else:
            pods = await pods_of(client, resource, namespace)
        return authorizations(pods, await _known(client, namespace))


async def _known(client: Client, namespace: str) -> PolicyObjects:
    kinds = {
        "servers": f"{POLICY}/v1beta3",
        "serverauthorizations": f"{POLICY}/v1beta1",
        "authorizationpolicies": f"{POLICY}/v1alpha1",
        "httproutes": f"{POLICY}/v1beta3",
    }
    foreign = ("httproutes", "grpcroutes")
    async with asyncio.TaskGroup() as tasks:
        ours = {
            plural: tasks.create_task(_listed(client, version, namespace, plural))
            for plural, version in kinds.items()
        }
        gateway = [
            tasks.create_task(_listed(client, f"{GATEWAY}/v1", namespace, plural))
            for plural in foreign
        ]
    routes = [route for task in (ours["httproutes"], *gateway) for route in task.result()]
    return PolicyObjects(
        ours["servers"].result(),
        routes,
        ours["authorizationpolicies"].result(),
        ours["serverauthorizations"].result(),
    )


async def _listed(client: Client, version: str, namespace: str, plural: str) -> list[Json]:
    """An empty list where the cluster does not know the kind."""
    try:
        return await client.list(f"/apis/{version}/namespaces/{namespace}/{plural}")
    except NotFound:
        return []
