"""`tulle check`: is a cluster fit for the mesh, or is the mesh in it well?"""

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass

import click

from tulle import names
from tulle.cli.check_output import Spinner, Table, as_json, has_colour
from tulle.cli.target import Command, Failure, Target, run, target
from tulle.install.checks.extensions import extension_sections
from tulle.install.checks.facts import Facts, gather
from tulle.install.checks.model import Line, Result, Section
from tulle.install.checks.registry import CATEGORIES, Scope, questions
from tulle.install.checks.runner import judged
from tulle.k8s.client import Client
from tulle.k8s.kubeconfig import KubeconfigError

UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def wait_seconds(text: str) -> float:
    """A duration such as 5m0s."""
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|h|m|s)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise click.BadParameter(f"{text!r} is not a duration such as 30s or 5m0s")
    return sum(float(number) * UNITS[unit] for number, unit in parts)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be checked, and how long to wait for it: as it was written, and in seconds."""

    scope: Scope
    wait: str
    seconds: float
    expected: str | None
    namespace: str | None


@click.command("check", cls=Command)
@click.option("--pre", is_flag=True, help="Is the cluster fit for an install?")
@click.option("--crds", is_flag=True, help="Are the custom resource definitions there?")
@click.option("--proxy", is_flag=True, help="Check the proxies of applications too.")
@click.option("--wait", default="5m0s", help="How long to wait for what is still starting.")
@click.option(
    "--expected-version", "expected", metavar="VERSION", help="What this command line is to be."
)
@click.option("-n", "--namespace", help="Namespace whose proxies --proxy checks (all).")
@click.option(
    "-o", "--output", type=click.Choice(["table", "json", "short"]), default="table", help="Form."
)
def command(
    pre: bool,
    crds: bool,
    proxy: bool,
    wait: str,
    expected: str | None,
    namespace: str | None,
    output: str,
) -> None:
    """Check that the mesh is well, or with --pre that a cluster is fit for it."""
    if pre and (proxy or crds):
        raise Failure(
            "--pre looks at a cluster without the mesh; use it without --proxy and --crds"
        )
    scope = (
        Scope.PRE if pre else Scope.DEFINITIONS if crds else Scope.PROXY if proxy else Scope.INSTALL
    )
    asked = Asked(scope, wait, wait_seconds(wait), expected, namespace)
    if not run(_check(target(), asked, output)):
        sys.exit(1)


async def _check(place: Target, asked: Asked, output: str) -> bool:
    table = Table(sys.stdout, short=output == "short", colour=has_colour())
    sections: list[Section] = []

    def show(section: Section) -> None:
        sections.append(section)
        if output != "json":
            table.section(section)

    try:
        async with await place.client() as client:
            facts = await _core(client, place, asked, show)
    except KubeconfigError as error:
        show(_no_client(str(error)))
        facts = None
    if asked.scope in (Scope.INSTALL, Scope.PROXY) and facts is not None:
        for section in await _extensions(facts, _forwarded(place, asked)):
            show(section)
    success = all(section.is_success for section in sections)
    if output == "json":
        click.echo(as_json(sections))
    else:
        table.end(success=success)
    return success


async def _core(
    client: Client, place: Target, asked: Asked, show: Callable[[Section], None]
) -> Facts | None:
    """The last facts; None after a fatal finding, when the extensions are not asked."""
    wanted = questions(asked.scope, place.tulle_namespace, asked.expected)
    latest: list[Facts] = []

    async def ask() -> Facts:
        latest[:] = [await gather(client, place.tulle_namespace, wanted, asked.namespace)]
        return latest[0]

    spinner = Spinner(sys.stderr)
    async for section in judged(
        CATEGORIES[asked.scope], ask, wait_seconds=asked.seconds, pending=spinner
    ):
        show(section)
        if section.is_fatal:
            return None
    return latest[0]


def _no_client(cause: str) -> Section:
    check = CATEGORIES[Scope.PRE][0].checks[0]
    line = Line(check.text, Result.ERROR, cause, check.hint)
    return Section(CATEGORIES[Scope.PRE][0].name, (line,), is_fatal=True)


async def _extensions(facts: Facts, arguments: list[str]) -> list[Section]:
    found: list[Section] = []
    labels = {
        (item["metadata"].get("labels") or {}).get(names.EXTENSION_LABEL)
        for item in facts.many("namespaces")
    }
    for extension in sorted(label for label in labels if label):
        found.extend(await extension_sections(extension, arguments))
    return found


def _forwarded(place: Target, asked: Asked) -> list[str]:
    """Our own flags, as an extension takes them."""
    flags = {
        "--tulle-namespace": place.tulle_namespace,
        "--kubeconfig": place.kubeconfig,
        "--context": place.context,
        "--as": place.as_user,
        "--api-addr": place.api_addr,
        "--namespace": asked.namespace,
        "--wait": asked.wait,
    }
    found = [f"{name}={value}" for name, value in flags.items() if value]
    found += [f"--as-group={group}" for group in place.as_groups]
    if place.verbose:
        found.append("--verbose")
    if asked.scope is Scope.PROXY:
        found.append("--proxy")
    return found
