"""`tulle inject`: manifests in, meshed manifests out; a report of each object on standard error."""

import re
from collections.abc import Callable
from typing import Any

import click

from tulle import names
from tulle.cli.documents import changed, objects, sources
from tulle.cli.flags import PROXY, flag_options, values_tree
from tulle.cli.inject_report import report
from tulle.cli.manifest import output_option, write
from tulle.cli.target import Command, Failure, Target, failing, run, target
from tulle.install import charts
from tulle.install.manifests import complete, settings_of
from tulle.install.meshing import BadManifest, Outcome, Wish, meshed
from tulle.install.stored_values import NoInstall, read_values
from tulle.install.validate import validate
from tulle.install.values import BadValue, merge

Json = dict[str, Any]

# Flag: the annotation that it becomes.
ANNOTATIONS = {
    "opaque_ports": names.OPAQUE_PORTS_ANNOTATION,
    "close_wait_timeout": f"{names.CONFIG_ANNOTATION_PREFIX}close-wait-timeout",
    "require_identity_on_inbound_ports": (
        f"{names.CONFIG_ANNOTATION_PREFIX}proxy-require-identity-inbound-ports"
    ),
    "wait_before_exit_seconds": (
        f"{names.CONFIG_ALPHA_ANNOTATION_PREFIX}proxy-wait-before-exit-seconds"
    ),
    "access_log": f"{names.CONFIG_ANNOTATION_PREFIX}access-log",
    "shutdown_grace_period": f"{names.CONFIG_ANNOTATION_PREFIX}shutdown-grace-period",
}


def _annotation_options(function: Callable[..., Any]) -> Callable[..., Any]:
    for name, text in (
        ("--shutdown-grace-period", "Time that open requests have when the proxy ends."),
        ("--access-log", "Access log of the proxy: apache or json."),
        ("--wait-before-exit-seconds", "Time between the end's announcement and the proxy's end."),
        ("--require-identity-on-inbound-ports", "Ports that only meshed clients may use."),
        ("--close-wait-timeout", "Time-out of half-closed connections in the kernel."),
        ("--opaque-ports", "Ports whose protocol the proxy leaves alone."),
    ):
        function = click.option(name, help=text)(function)
    return function


@click.command("inject", cls=Command)
@click.argument("path", metavar="FILE|DIR|-|URL")
@click.option("--manual", is_flag=True, help="Write the whole proxy into the manifest.")
@click.option("--ignore-cluster", is_flag=True, help="Take the defaults of this program.")
@click.option("--ingress", is_flag=True, help="The pods are an ingress controller.")
@click.option("--enable-debug-sidecar", is_flag=True, help="Add a container for debugging.")
@click.option("--native-sidecar", is_flag=True, help="As an init container that keeps running.")
@_annotation_options
@flag_options(PROXY)
@output_option
@failing(BadManifest, BadValue, NoInstall)
def command(path: str, manual: bool, ignore_cluster: bool, output: str, **options: Any) -> None:
    """Add the proxy to the objects of a manifest. The result is for kubectl apply -f -."""
    place = target()
    values = complete(charts.default_values()) if ignore_cluster else run(_cluster_values(place))
    wish = Wish(
        settings_of(values, place.tulle_namespace),
        manual,
        bool(options["ingress"]),
        {**_proxy_overrides(values, options), **_overrides(options)},
    )
    documents, outcomes = _meshed_documents(path, wish)
    failed = [outcome for outcome in outcomes if outcome.is_error]
    write(documents, output)
    click.echo(report(outcomes, verbose=place.verbose), err=True, nl=False)
    if failed:
        raise SystemExit(1)


def _meshed_documents(path: str, wish: Wish) -> tuple[list[Json], list[Outcome]]:
    outcomes: list[Outcome] = []

    def change(item: Json) -> Json | None:
        result, outcome = meshed(item, wish)
        outcomes.append(outcome)
        return None if outcome.is_error else result

    documents = []
    for name, text in sources(path):
        for document in objects(name, text):
            result = changed(name, document, change)
            if result is not None:
                documents.append(result)
    if not outcomes:
        raise Failure(f"{path} holds no Kubernetes object")
    return documents, outcomes


async def _cluster_values(place: Target) -> Json:
    async with await place.client() as client:
        return await read_values(client, place.tulle_namespace)


def _proxy_overrides(values: Json, options: Json) -> dict[str, str]:
    """The annotation of each proxy flag whose value differs from the cluster's."""
    given = [flag for flag in PROXY if options.get(flag.key) is not None]
    wanted = merge(values, values_tree(given, options), source="the flags")
    validate(wanted)
    found = {}
    for flag in given:
        value = _at(wanted, flag.value)
        if value != _at(values, flag.value):
            text = str(value).lower() if isinstance(value, bool) else str(value)
            found[f"{names.CONFIG_ANNOTATION_PREFIX}{flag.annotation}"] = text
    return found


def _overrides(options: Json) -> dict[str, str]:
    found = {
        annotation: str(options[flag])
        for flag, annotation in ANNOTATIONS.items()
        if options.get(flag) is not None
    }
    seconds = options.get("wait_before_exit_seconds")
    if seconds is not None and not re.fullmatch(r"\d+", seconds):
        raise Failure(f"--wait-before-exit-seconds {seconds}: expected a number of seconds")
    if options["enable_debug_sidecar"]:
        found[f"{names.CONFIG_ANNOTATION_PREFIX}enable-debug-sidecar"] = "true"
    if options["native_sidecar"]:
        found[f"{names.CONFIG_ANNOTATION_PREFIX}proxy-enable-native-sidecar"] = "true"
    return found


def _at(values: Json, path: str) -> Any:
    place: Any = values
    for step in path.split("."):
        place = place[step]
    return place
