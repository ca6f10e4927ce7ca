"""`tulle local`: a real one-node Kubernetes on this machine, for those who have none."""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from tulle.local import binaries, cluster, status
from tulle.local.errors import LocalError
from tulle.local.paths import caches, clusters_root
from tulle.local.plan import DEFAULT_NAME, find

TAIL_LINES = 10


class Group(click.Group):
    """Says what the launcher found wrong as one message, without a trace."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except LocalError as error:
            raise click.ClickException(str(error)) from error
        except PermissionError as error:
            message = f"{error.filename}: {error.strerror}; run it with sudo"
            raise click.ClickException(message) from error


def name_option(function: Callable[..., None]) -> Callable[..., None]:
    return click.option(
        "--name", default=DEFAULT_NAME, show_default=True, help="Which local cluster."
    )(function)


@click.group("local", cls=Group)
def command() -> None:
    """A real one-node Kubernetes on this machine."""


@command.command()
@name_option
def up(name: str) -> None:
    """Boot the cluster, or complete it when it runs; import images that changed."""
    started = time.monotonic()

    def say(text: str) -> None:
        click.echo(f"{time.monotonic() - started:6.1f}s  {text}", err=True)

    done = cluster.up(clusters_root(), caches(), name, say)
    state = "was running already" if done.was_running else "is up"
    say(f"cluster {name} {state}: {done.plan.server}")
    before = f" (was {done.previous_context})" if done.previous_context else ""
    click.echo(f"context {done.plan.context} is current in {done.kubeconfig}{before}", err=True)
    if not binaries.has_kubectl():
        click.echo(f"kubectl is {caches().bin}/kubectl: put it on your PATH", err=True)
    click.echo("next: kubectl get nodes; tulle check --pre; tulle local status", err=True)


@command.command()
@name_option
@click.option("--purge", is_flag=True, help="Remove the cluster's state too.")
def down(name: str, *, purge: bool) -> None:
    """End the cluster. What it stored stays for the next `up`, unless it is purged."""
    if not cluster.down(clusters_root(), name, purge=purge):
        click.echo(f"cluster {name} does not run", err=True)
        return
    rest = "nothing of it remains" if purge else "its state is kept: `up` resumes it"
    click.echo(f"cluster {name} is down; {rest}", err=True)


@command.command()
@name_option
@click.argument("archives", nargs=-1, required=True, type=click.Path(path_type=Path))
def load(name: str, archives: tuple[Path, ...]) -> None:
    """Import image archives (OCI or docker) into the running cluster."""
    for image in cluster.load(clusters_root(), caches(), name, archives):
        click.echo(image)


@command.command("status")
@name_option
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json"]),
    default="table",
    help="Form of the output.",
)
def show(name: str, output: str) -> None:
    """Say what runs, where, and which pods wait for an image."""
    found = status.read(clusters_root(), name)
    if output == "json":
        document = asdict(found) if found else {"name": name, "running": False}
        click.echo(json.dumps(document, indent=2))
    elif found is None:
        click.echo(f"cluster {name} does not exist: make it by `tulle local up`")
    else:
        _print_status(found)
    if found is None or not found.running:
        sys.exit(1)


@command.command()
@name_option
@click.argument("component", required=False)
def logs(name: str, component: str | None) -> None:
    """Print the log of a component; without one, the end of each."""
    found = find(clusters_root(), name)
    if found is None or not found.logs.is_dir():
        raise LocalError(f"cluster {name} has no logs: it was never up, or was purged")
    files = {path.stem: path for path in sorted(found.logs.glob("*.log"))}
    if component is None:
        for stem, path in files.items():
            click.echo(f"==> {stem} <==", err=True)
            click.echo("\n".join(path.read_text(errors="replace").splitlines()[-TAIL_LINES:]))
    elif component in files:
        with files[component].open(errors="replace") as lines:
            for line in lines:
                click.echo(line, nl=False)
    else:
        raise LocalError(f"no component {component}: there are {', '.join(files)}")


@command.command()
@name_option
def kubeconfig(name: str) -> None:
    """Print a kubeconfig of the cluster alone."""
    found = find(clusters_root(), name)
    if found is None or not found.kubeconfig.exists():
        raise LocalError(f"cluster {name} does not exist: make it by `tulle local up`")
    click.echo(found.kubeconfig.read_text(), nl=False)


def _print_status(found: status.Status) -> None:
    state = "running" if found.running else "down (its state is kept)"
    ready = "Ready" if found.node_ready else "not Ready"
    click.echo(f"cluster   {found.name}, {state}" + (f", node {ready}" if found.running else ""))
    click.echo(f"context   {found.context}")
    click.echo(f"server    {found.server}")
    click.echo(f"addresses pods {found.pods}, Services {found.services}")
    click.echo(f"          LoadBalancer {found.load_balancers}")
    click.echo(f"state     {found.directory}")
    for component in found.components:
        pid = component.pid or "waiting"
        click.echo(f"  {component.name:<24} pid {pid:<8} restarts {component.restarts}")
    for service in found.load_balancer_services:
        click.echo(f"  LoadBalancer {service}")
    for image in found.images:
        click.echo(f"  image {image}")
    for missing in found.missing_images:
        click.echo(
            f"  {missing.namespace}/{missing.pod} waits for {missing.image}: "
            "import it by `tulle local load ARCHIVE`"
        )


if __name__ == "__main__":
    command(prog_name="tulle local")
