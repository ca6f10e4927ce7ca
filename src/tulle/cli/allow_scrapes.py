"""`tulle viz allow-scrapes`: policies that let Prometheus in where nobody else may."""

import click

from tulle import names
from tulle.cli.manifest import output_option, write
from tulle.cli.target import Command
from tulle.install.viz_allow import scrape_policies


@click.command("allow-scrapes", cls=Command)
@click.option("-n", "--namespace", required=True, help="Namespace whose proxies are to be let in.")
@click.option(
    "--viz-namespace", default=names.VIZ_NAMESPACE, help=f"Of Prometheus ({names.VIZ_NAMESPACE})."
)
@output_option
def command(namespace: str, viz_namespace: str, output: str) -> None:
    """Print the policies by which Prometheus reaches a namespace's proxies."""
    write(scrape_policies(namespace, viz_namespace), output)
