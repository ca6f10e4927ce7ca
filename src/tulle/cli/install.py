"""`tulle install`: the control plane's manifests, or the definitions that come before them."""

import datetime
from typing import Any

import click

from tulle.cli.flags import CONTROL, INSTALL_ONLY, PROXY, flag_options, helm_options, values_tree
from tulle.cli.manifest import output_option, write
from tulle.cli.target import Command, Failure, Target, failing, run, target
from tulle.install import charts
from tulle.install.anchors import Sources
from tulle.install.cluster import (
    has_gateway_api,
    has_install,
    known_values,
    missing_definitions,
)
from tulle.install.manifests import render
from tulle.install.pem import BadCertificates
from tulle.install.plan import Given, certificates, values_from
from tulle.install.values import BadValue
from tulle.k8s.client import ApiError, Client, Unreachable
from tulle.k8s.kubeconfig import KubeconfigError

Json = dict[str, Any]

FLAGS = (*INSTALL_ONLY, *CONTROL, *PROXY)
GATEWAY_API_INSTALL = (
    "kubectl apply -f https://github.com/kubernetes-sigs/gateway-api/"
    "releases/latest/download/standard-install.yaml"
)


@click.command("install", cls=Command)
@click.option("--crds", is_flag=True, help="Print the custom resource definitions only.")
@click.option("--ignore-cluster", is_flag=True, help="Ask no cluster anything.")
@click.option("--ha", is_flag=True, help="Three replicas, spread, with resource requests.")
@flag_options(FLAGS)
@helm_options
@output_option
@failing(BadValue, BadCertificates)
def command(crds: bool, ignore_cluster: bool, ha: bool, output: str, **options: Any) -> None:
    """Print the manifests of the control plane, for kubectl apply -f -."""
    place = target()
    if crds:
        write(charts.resource_definitions(place.tulle_namespace), output)
        _say_next(run(_gateway_api_known(place)) if not ignore_cluster else True)
        return
    flags = values_tree(FLAGS, options)
    known = {} if ignore_cluster else run(_ready_for_install(place))
    values = values_from(given(ha, flags, options), known)
    now = datetime.datetime.now(datetime.UTC)
    made = certificates(values, place.tulle_namespace, now, sources=sources(options))
    write(render(values, made, place.tulle_namespace), output)


def given(ha: bool, flags: Json, options: Json) -> Given:
    return Given(
        high_availability=ha,
        files=options["files"],
        settings=options["settings"],
        texts=options["texts"],
        contents=options["contents"],
        flags=flags,
    )


def sources(options: Json) -> Sources:
    """The names by which messages call the certificates: the file where there is one."""
    known = Sources()
    return Sources(
        options["identity_trust_anchors_file"] or known.trust_anchors,
        options["identity_issuer_certificate_file"] or known.certificate,
        options["identity_issuer_key_file"] or known.key,
    )


async def _ready_for_install(place: Target) -> Json:
    """Refuses where a control plane is or definitions are not; else what the cluster decides."""
    async with await place.client() as client:
        if await has_install(client, place.tulle_namespace):
            raise Failure(
                f"the namespace {place.tulle_namespace} has a control plane already; change it "
                "with: tulle upgrade | kubectl apply -f -"
            )
        await require_definitions(client)
        return await known_values(client)


async def require_definitions(client: Client) -> None:
    missing = await missing_definitions(client)
    if missing:
        raise Failure(
            f"the cluster lacks the definitions of Tulle's kinds ({', '.join(missing)}); "
            "create them first: tulle install --crds | kubectl apply -f -"
        )


async def _gateway_api_known(place: Target) -> bool:
    """True where nothing is to be said: no cluster answers, or it knows the Gateway API."""
    try:
        async with await place.client() as client:
            return await has_gateway_api(client)
    except (ApiError, Unreachable, KubeconfigError):
        return True


def _say_next(gateway_api_known: bool) -> None:
    lines = ["the definitions of Tulle's kinds; next: tulle install | kubectl apply -f -"]
    if not gateway_api_known:
        lines.append(
            "notice: the cluster has no Gateway API, so only policy.linkerd.io HTTPRoutes can be "
            f"used; to add it: {GATEWAY_API_INSTALL}"
        )
    click.echo("\n".join(lines), err=True)
