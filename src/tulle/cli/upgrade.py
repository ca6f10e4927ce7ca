"""`tulle upgrade`: what is installed, rendered anew with its own values and certificates."""

import datetime
from typing import Any

import click

from tulle import names
from tulle.cli.flags import CONTROL, PROXY, flag_options, helm_options, values_tree
from tulle.cli.install import given, require_definitions, sources
from tulle.cli.manifest import output_option, write
from tulle.cli.target import Command, Failure, Target, failing, run, target
from tulle.install import charts
from tulle.install.cluster import Stored, known_values, stored_install
from tulle.install.manifests import Certificates, render
from tulle.install.pem import BadCertificates
from tulle.install.plan import certificates, values_from
from tulle.install.values import BadValue, laid_over
from tulle.install.workload_trust import workloads_that_distrust

Json = dict[str, Any]

FLAGS = (*CONTROL, *PROXY)


@click.command("upgrade", cls=Command)
@click.option("--crds", is_flag=True, help="Print the custom resource definitions only.")
@click.option("--ha", is_flag=True, help="Three replicas, spread, with resource requests.")
@click.option("--force", is_flag=True, help="Even if running proxies do not trust the issuer.")
@flag_options(FLAGS)
@helm_options
@output_option
@failing(BadValue, BadCertificates)
def command(crds: bool, ha: bool, force: bool, output: str, **options: Any) -> None:
    """Print the manifests of an installed control plane anew, for kubectl apply -f -."""
    place = target()
    if crds:
        write(charts.resource_definitions(place.tulle_namespace), output)
        return
    flags = values_tree(FLAGS, options)
    stored, known = run(_stored(place))
    stored_values = laid_over(known, stored.overrides)
    if ha:
        stored_values = laid_over(stored_values, charts.high_availability_values())
    values = values_from(given(False, flags, options), stored_values)
    now = datetime.datetime.now(datetime.UTC)
    made = certificates(
        values, place.tulle_namespace, now, sources=sources(options), stored=stored.certificates
    )
    _judge_change(place, stored.certificates, made, force)
    write(render(values, made, place.tulle_namespace), output)


async def _stored(place: Target) -> tuple[Stored, Json]:
    async with await place.client() as client:
        stored = await stored_install(client, place.tulle_namespace)
        if stored is None:
            raise Failure(
                f"the namespace {place.tulle_namespace} has no Secret {names.OVERRIDES_SECRET}, "
                "so nothing was installed there by this command line; if it was Helm: helm upgrade"
            )
        await require_definitions(client)
        return stored, await known_values(client)


def _judge_change(place: Target, before: Certificates, after: Certificates, force: bool) -> None:
    if before.trust_anchors and before.trust_anchors != after.trust_anchors:
        click.echo(
            "‼ the trust anchors change: pods keep the old ones until they are restarted "
            "(kubectl rollout restart)",
            err=True,
        )
    if force or after.issuer is None:
        return
    distrusting = run(_distrusting(place, after.issuer.certificate))
    if distrusting:
        lines = "\n".join(f"  * {name}" for name in distrusting)
        raise Failure(
            "these pods do not trust the issuer, so they would lose their certificates; first "
            "upgrade with a bundle of the old and the new trust anchor and restart them, or use "
            f"--force:\n{lines}"
        )


async def _distrusting(place: Target, issuer: str) -> list[str]:
    async with await place.client() as client:
        return await workloads_that_distrust(client, place.tulle_namespace, issuer)
