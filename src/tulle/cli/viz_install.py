"""`tulle viz install`, `upgrade` and `prune`: what viz consists of, and what no longer."""

from dataclasses import dataclass, field
from typing import Any

import click

from tulle import names
from tulle.cli.flags import helm_options
from tulle.cli.install import require_definitions
from tulle.cli.manifest import minimal, output_option, write
from tulle.cli.target import Command, Failure, Target, failing, run, target
from tulle.cli.viz_uninstall import labelled
from tulle.install.manifests import overrides
from tulle.install.objects import decoded
from tulle.install.plan import Given
from tulle.install.stored_values import NoInstall, read_values
from tulle.install.values import BadValue
from tulle.install.viz import render, stored_values, values_from
from tulle.k8s.client import Client, NotFound
from tulle.serve.renewal import API_SERVICES, WEBHOOKS, trusted_by

Json = dict[str, Any]
Secrets = dict[str, dict[str, str]]

# Which object says what the API server trusts, by the Secret of what it is to trust.
TRUSTING = {
    names.TAP_TLS_SECRET: f"{API_SERVICES}/{names.TAP_VERSION}.{names.TAP_GROUP}",
    names.TAP_INJECTOR_TLS_SECRET: f"{WEBHOOKS}/{names.TAP_INJECTOR_WEBHOOK_CONFIG}",
}


@dataclass(frozen=True, slots=True)
class Known:
    """What a cluster has already: the control plane's values, viz's Secrets, what is trusted."""

    control: Json = field(default_factory=dict)
    secrets: Secrets = field(default_factory=dict)
    trusted: dict[str, str] = field(default_factory=dict)


namespace_option = click.option(
    "--viz-namespace", default=names.VIZ_NAMESPACE, help=f"Its namespace ({names.VIZ_NAMESPACE})."
)


@click.command("install", cls=Command)
@click.option("--ignore-cluster", is_flag=True, help="Ask no cluster anything.")
@click.option("--ha", is_flag=True, help="Resources that hold under load, and replicas.")
@namespace_option
@helm_options
@output_option
@failing(BadValue, NoInstall)
def command(
    ignore_cluster: bool, ha: bool, viz_namespace: str, output: str, **options: Any
) -> None:
    """Print the manifests of viz, for kubectl apply -f -."""
    place = target()
    known = Known() if ignore_cluster else run(_known(place, viz_namespace))
    write(_rendered(viz_namespace, _given(place, ha, options), known), output)


@click.command("upgrade", cls=Command)
@click.option("--ha", is_flag=True, help="Resources that hold under load, and replicas.")
@namespace_option
@helm_options
@output_option
@failing(BadValue, NoInstall)
def upgrade(ha: bool, viz_namespace: str, output: str, **options: Any) -> None:
    """Print the manifests of viz anew, with the values of its install, for kubectl apply -f -."""
    place = target()
    known = run(_known(place, viz_namespace))
    given, stored = _given(place, ha, options), _stored(known.secrets, viz_namespace)
    write(_rendered(viz_namespace, given, known, stored), output)


@click.command("prune", cls=Command)
@namespace_option
@helm_options
@output_option
@failing(BadValue, NoInstall)
def prune(viz_namespace: str, output: str, **options: Any) -> None:
    """Print what carries the label of viz and is not part of it, for kubectl delete -f -."""
    place = target()
    found = run(_known(place, viz_namespace))
    given, stored = _given(place, False, options), _stored(found.secrets, viz_namespace)
    known = {_key(item) for item in _rendered(viz_namespace, given, found, stored)}

    async def present() -> list[Json]:
        async with await place.client() as client:
            return await labelled(client)

    left = [item for item in run(present()) if _key(item) not in known]
    # What `allow-scrapes` wrote beside the workloads is no part of the install, but it is wanted.
    write((minimal(item) for item in left if _is_within(item, viz_namespace)), output)


def _is_within(item: Json, namespace: str) -> bool:
    return item["metadata"].get("namespace", namespace) in (namespace, "kube-system")


def _key(item: Json) -> tuple[str, str, str]:
    metadata = item["metadata"]
    return str(item["kind"]), str(metadata.get("namespace", "")), str(metadata["name"])


def _given(place: Target, ha: bool, options: Json) -> Given:
    return Given(
        high_availability=ha,
        files=options["files"],
        settings=options["settings"],
        texts=options["texts"],
        contents=options["contents"],
        flags={"linkerdNamespace": place.tulle_namespace},
    )


def _rendered(namespace: str, given: Given, known: Known, stored: Json | None = None) -> list[Json]:
    values = values_from(given, known.control, stored)
    kept = overrides(values, values_from(Given(), known.control))
    return render(values, namespace, known.secrets, kept, known.trusted)


def _stored(secrets: Secrets, namespace: str) -> Json:
    found = stored_values(secrets)
    if found is None:
        raise Failure(
            f"the namespace {namespace} has no Secret {names.VIZ_OVERRIDES_SECRET}, so viz was not "
            "installed there by this command line; install it: tulle viz install; if it was Helm: "
            "helm upgrade"
        )
    return found


async def _known(place: Target, namespace: str) -> Known:
    async with await place.client() as client:
        control = await read_values(client, place.tulle_namespace)
        await require_definitions(client)
        trusted = {name: await _trusted(client, path) for name, path in TRUSTING.items()}
        return Known(control, await _secrets(client, namespace), trusted)


async def _trusted(client: Client, path: str) -> str:
    try:
        return trusted_by(await client.get(path))
    except NotFound:
        return ""


async def _secrets(client: Client, namespace: str) -> Secrets:
    stored = await client.list(
        f"/api/v1/namespaces/{namespace}/secrets",
        labelSelector=f"{names.EXTENSION_LABEL}={names.VIZ_EXTENSION}",
    )
    return {
        item["metadata"]["name"]: {
            key: decoded(text) for key, text in (item.get("data") or {}).items()
        }
        for item in stored
    }
