"""`tulle diagnostics`: metrics of proxies and components, and the control plane's answers."""

import asyncio
import hashlib
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

import click
import httpx

from tulle import names
from tulle.cli.completing import ObjectWord
from tulle.cli.control_answers import endpoints, inbound_policy, outbound_policy, profile
from tulle.cli.manifest import text
from tulle.cli.resources import Resource, pods_of, resources
from tulle.cli.table import table
from tulle.cli.target import Failure, Group, Target, run, target
from tulle.cli.watching import Duration, TableCommand
from tulle.install.workload_trust import proxy_container
from tulle.k8s.client import ApiError, Client, Unreachable
from tulle.k8s.portforward import forwarded

Json = dict[str, Any]

METRICS_SECONDS = 30.0
ADMIN_PORTS = ("-admin", "admin-http")
SECRET_LABELS = re.compile(
    r'\b(authority|client_id|server_id|target_addr|dst_service|dst_namespace)="([^"]*)"'
)


@click.group("diagnostics", cls=Group)
def command() -> None:
    """Look into proxies and the control plane."""


@command.command("proxy-metrics")
@click.argument("words", nargs=-1, required=True, metavar="TYPE/NAME")
@click.option("-n", "--namespace", help="Namespace of the object.")
@click.option("--obfuscate", is_flag=True, help="Replace names of services and identities.")
def proxy_metrics(words: tuple[str, ...], namespace: str | None, obfuscate: bool) -> None:
    """Print the metrics of the proxies of an object's pods."""
    place = target()
    found = resources(words)
    if len(found) != 1:
        raise Failure("name one object, such as deployment/web")
    run(_proxy_metrics(place, found[0], namespace or place.default_namespace(), obfuscate))


async def _proxy_metrics(
    place: Target, resource: Resource, namespace: str, obfuscate: bool
) -> None:
    async with await place.client() as client:
        pods = [pod for pod in await pods_of(client, resource, namespace) if proxy_container(pod)]
        if not pods:
            raise Failure(f"no pod of {resource} in {namespace} has a proxy")
        for number, pod in enumerate(pods, 1):
            name = pod["metadata"]["name"]
            click.echo(f"#\n# POD {name} ({number} of {len(pods)})\n#")
            found = await _metrics(client, namespace, name, admin_port(pod))
            click.echo(obfuscated(found) if obfuscate else found, nl=False)


def admin_port(pod: Json) -> int:
    return _port(pod, names.ADMIN_PORT_NAME, names.ADMIN_PORT)


def mesh_port(pod: Json) -> int:
    """Where the proxy takes mutual TLS from other proxies."""
    return _port(pod, names.PROXY_PORT_NAME, names.INBOUND_PORT)


def _port(pod: Json, name: str, default: int) -> int:
    for port in (proxy_container(pod) or {}).get("ports") or []:
        if port.get("name") == name:
            return int(port["containerPort"])
    return default


async def _metrics(
    client: Client, namespace: str, pod: str, port: int, seconds: float = METRICS_SECONDS
) -> str:
    try:
        async with (
            asyncio.timeout(seconds),
            forwarded(client, namespace, pod, port) as forward,
            httpx.AsyncClient(trust_env=False, timeout=seconds) as http,
        ):
            try:
                response = await http.get(f"http://127.0.0.1:{forward.port}/metrics")
                response.raise_for_status()
            except httpx.HTTPError as error:
                return f"# ERROR {forward.failure or error}\n"
            return response.text
    except (ApiError, Unreachable, TimeoutError) as error:
        return f"# ERROR {str(error) or type(error).__name__}\n"


def obfuscated(metrics: str) -> str:
    """The telling labels by the first four bytes of their SHA-256."""

    def hidden(match: re.Match[str]) -> str:
        digest = hashlib.sha256(match[2].encode()).digest()[:4].hex()
        return f'{match[1]}="{digest}"'

    return SECRET_LABELS.sub(hidden, metrics)


@command.command("controller-metrics")
@click.option(
    "-w", "--wait", type=Duration(), default="30s", show_default=True, help="How long, at most."
)
def controller_metrics(wait: float) -> None:
    """Print the metrics of the control plane's components."""
    run(_controller_metrics(target(), wait))


async def _controller_metrics(place: Target, wait: float) -> None:
    namespace = place.tulle_namespace
    async with await place.client() as client:
        pods = await client.list(
            f"/api/v1/namespaces/{namespace}/pods", labelSelector=names.COMPONENT_LABEL
        )
        if not pods:
            raise Failure(f"the namespace {namespace} has no pod of a control plane")
        for number, pod in enumerate(pods, 1):
            name = pod["metadata"]["name"]
            for container in pod["spec"]["containers"]:
                for port in container.get("ports") or []:
                    if str(port.get("name", "")).endswith(ADMIN_PORTS):
                        click.echo(f"#\n# POD {name} ({number} of {len(pods)})")
                        click.echo(f"# CONTAINER {container['name']}\n#")
                        at = int(port["containerPort"])
                        click.echo(await _metrics(client, namespace, name, at, wait), nl=False)


Ask = Callable[[str], Awaitable[Any]]


async def _destination(place: Target, pod: str | None, port: int, ask: Ask) -> Any:
    """Asks the destination component: at --api-addr, or in a ready pod of it."""
    if place.api_addr:
        return await ask(place.api_addr)
    namespace = place.tulle_namespace
    async with await place.client() as client:
        name = pod or await _destination_pod(client, namespace)
        async with forwarded(client, namespace, name, port) as forward:
            return await ask(f"127.0.0.1:{forward.port}")


async def _destination_pod(client: Client, namespace: str) -> str:
    selector = f"{names.COMPONENT_LABEL}=destination"
    for pod in await client.list(f"/api/v1/namespaces/{namespace}/pods", labelSelector=selector):
        if (pod.get("status") or {}).get("phase") == "Running":
            return str(pod["metadata"]["name"])
    raise Failure(f"no pod of {names.DESTINATION} runs in the namespace {namespace}")


def destination_options(function: Callable[..., Any]) -> Callable[..., Any]:
    function = click.option("--token", default="", help="Context token to ask with.")(function)
    return click.option("--destination-pod", help="Pod to ask.")(function)


@command.command("endpoints", cls=TableCommand)
@click.argument("authorities", nargs=-1, required=True, metavar="AUTHORITY...")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json"]),
    default="table",
    help="Form of the output.",
)
@destination_options
def endpoints_command(
    authorities: tuple[str, ...], output: str, destination_pod: str | None, token: str
) -> None:
    """Print the endpoints that proxies are given for HOST:PORT."""

    async def ask(address: str) -> list[Json]:
        found = await asyncio.gather(*(endpoints(address, item, token) for item in authorities))
        return [row for rows in found for row in rows]

    port = names.DESTINATION_GRPC_PORT
    rows: list[Json] = run(_destination(target(), destination_pod, port, ask))
    if output == "json":
        click.echo(json.dumps(rows, indent=2))
    elif rows:
        click.echo(_by_namespace(rows), nl=False)
    else:
        click.echo(f"no endpoints of {', '.join(authorities)} were found", err=True)


def _by_namespace(rows: list[Json]) -> str:
    tables = []
    header = ("NAMESPACE", "IP", "PORT", "POD", "SERVICE")
    for namespace in sorted({row["namespace"] for row in rows}):
        cells = sorted(
            tuple(str(row[column.lower()]) for column in header)
            for row in rows
            if row["namespace"] == namespace
        )
        tables.append(table(header, cells))
    return "\n".join(tables)


@command.command("policy")
@click.argument("name", metavar="(po|svc)/NAME", type=ObjectWord(("pod", "service")))
@click.argument("port", type=click.IntRange(1, 65535))
@click.option("-n", "--namespace", help="Namespace of the object.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["yaml", "json"]),
    default="yaml",
    help="Form of the output.",
)
@click.option("--destination-pod", help="Pod to ask.")
@click.option("--token", default="default:diagnostics", help="Workload to ask as.")
def policy_command(
    name: str,
    port: int,
    namespace: str | None,
    output: str,
    destination_pod: str | None,
    token: str,
) -> None:
    """Print the policy that proxies are given for a pod's or a Service's port."""
    place = target()
    found = resources((name,))[0]
    within = namespace or place.default_namespace()
    if found.kind not in ("pod", "service") or not found.name:
        raise Failure(f"{name}: policies are asked for po/NAME or svc/NAME")

    async def ask(address: str) -> Json:
        if found.kind == "pod":
            return await inbound_policy(address, within, found.name, port)
        return await outbound_policy(address, within, found.name, port, token)

    answer: Json = run(_destination(place, destination_pod, names.POLICY_GRPC_PORT, ask))
    click.echo(json.dumps(answer, indent=2) if output == "json" else text(answer).rstrip())


@command.command("profile")
@click.argument("address")
@destination_options
def profile_command(address: str, destination_pod: str | None, token: str) -> None:
    """Print the profile that proxies are given for HOST:PORT or IP:PORT."""
    answer: Json = run(
        _destination(
            target(),
            destination_pod,
            names.DESTINATION_GRPC_PORT,
            lambda at: profile(at, address, token),
        )
    )
    click.echo(json.dumps(answer, indent=2))


for alias, known in (("ep", endpoints_command), ("cp-metrics", controller_metrics)):
    command.add_command(known, alias)
