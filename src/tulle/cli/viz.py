"""`tulle viz`: finds the command and reads only its module."""

import importlib
import importlib.util

import click

from tulle.cli.target import Group

# Name: the module that exports `command`, and one line of help.
COMMANDS = {
    "allow-scrapes": ("tulle.cli.allow_scrapes", "Print policies that let Prometheus in"),
    "authz": ("tulle.cli.viz_authz", "Authorizations, and the requests that each let in"),
    "check": ("tulle.cli.viz_check", "Check that viz is well"),
    "dashboard": ("tulle.cli.dashboard", "Open the dashboard"),
    "edges": ("tulle.cli.edges", "Who talks to whom, and whether it is secured"),
    "install": ("tulle.cli.viz_install", "Print the manifests of viz"),
    "list": ("tulle.cli.viz_list", "List the pods whose traffic can be tapped"),
    "profile": ("tulle.cli.viz_profile", "Print a ServiceProfile made from live requests"),
    "prune": ("tulle.cli.viz_prune", "Print what an older version of viz left behind"),
    "routes": ("tulle.cli.routes", "Success, rate and latency of each route"),
    "stat": ("tulle.cli.stat", "Success, rate and latency of workloads"),
    "stat-inbound": ("tulle.cli.stat_inbound", "What workloads received, by Server and route"),
    "stat-outbound": ("tulle.cli.stat_outbound", "What workloads sent, by route and backend"),
    "tap": ("tulle.cli.tap", "Watch requests as they happen"),
    "top": ("tulle.cli.top", "The busiest paths, live"),
    "upgrade": ("tulle.cli.viz_upgrade", "Print the manifests of viz anew, its values kept"),
    "uninstall": ("tulle.cli.viz_uninstall", "Print all of viz that an uninstall deletes"),
}


class VizGroup(Group):
    """Its commands are modules; one whose module is not there does not exist."""

    def list_commands(self, context: click.Context) -> list[str]:
        return [name for name, (module, _) in COMMANDS.items() if _exists(module)]

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        module = COMMANDS.get(name, ("", ""))[0]
        if not module or not _exists(module):
            return None
        found: click.Command = importlib.import_module(module).command
        if all("--viz-namespace" not in parameter.opts for parameter in found.params):
            found.params.append(_unused_namespace())
        return found

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, COMMANDS[name][1]) for name in self.list_commands(context)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _exists(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _unused_namespace() -> click.Option:
    """So that the flag of all of viz stands with every command of it."""
    text = "Namespace of viz; this command finds what it asks without it."
    return click.Option(["--viz-namespace", "viz_namespace"], expose_value=False, help=text)


@click.group("viz", cls=VizGroup)
@click.option("--viz-namespace", help="Namespace of viz, where no label tells it.")
@click.pass_context
def command(context: click.Context, viz_namespace: str | None) -> None:
    """Metrics, live traffic and the dashboard."""
    if viz_namespace:
        given = {"viz_namespace": viz_namespace}
        context.default_map = {name: given for name in COMMANDS}
