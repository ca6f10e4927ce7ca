"""The program `tulle`: finds the command, reads only its module, and ends with its exit code."""

import importlib
import importlib.util
import os
import shutil
import sys
from typing import Any

import click

from tulle import names
from tulle.cli.target import Group

# Name: the module that exports `command`, and one line of help.
COMMANDS = {
    "authz": ("tulle.cli.authz", "List the authorizations that hold for pods"),
    "check": ("tulle.cli.check", "Check that the mesh, or a cluster for it, is well"),
    "completion": ("tulle.cli.completion", "Print a shell's completion script"),
    "diagnostics": ("tulle.cli.diagnostics", "Look into proxies and the control plane"),
    "identity": ("tulle.cli.identity", "Show the certificates of meshed pods"),
    "inject": ("tulle.cli.inject", "Add the proxy to manifests"),
    "install": ("tulle.cli.install", "Print the manifests of the control plane"),
    "install-cni": ("tulle.cli.install_cni", "Print the manifests of the CNI plugin"),
    "local": ("tulle.cli.local", "Run a real one-node Kubernetes on this machine"),
    "profile": ("tulle.cli.profile", "Print a ServiceProfile"),
    "prune": ("tulle.cli.prune", "Print what an older version left behind"),
    "uninject": ("tulle.cli.uninject", "Take the proxy out of manifests"),
    "uninstall": ("tulle.cli.uninstall", "Print all that an uninstall deletes"),
    "upgrade": ("tulle.cli.upgrade", "Print the manifests of an installed control plane anew"),
    "version": ("tulle.cli.version", "Print the versions of client, control plane and proxies"),
    "viz": ("tulle.cli.viz", "Metrics, live traffic and the dashboard"),
}
HIDDEN = {"doc": "tulle.cli.doc"}
ALIASES = {"dg": "diagnostics"}
# Where older scripts look for these; they are told the new place.
MOVED_TO_VIZ = ("dashboard", "edges", "routes", "stat", "tap", "top")


class Program(Group):
    """The root: its commands are modules, and executables named tulle-NAME."""

    def list_commands(self, context: click.Context) -> list[str]:
        return [name for name, (module, _) in COMMANDS.items() if _exists(module)]

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        name = ALIASES.get(name, name)
        module = HIDDEN.get(name) or COMMANDS.get(name, ("", ""))[0]
        if module and _exists(module):
            found: click.Command = importlib.import_module(module).command
            return found
        if name in MOVED_TO_VIZ:
            return _moved(context, name)
        executable = shutil.which(f"{names.PROGRAM}-{name}")
        return _extension(name, executable) if executable else None

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, COMMANDS[name][1]) for name in self.list_commands(context)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _moved(context: click.Context, name: str) -> click.Command | None:
    if not context.resilient_parsing:
        now = f"{names.PROGRAM} viz {name}"
        click.echo(f"note: `{names.PROGRAM} {name}` is deprecated; it is `{now}` now", err=True)
    viz: click.Group = importlib.import_module(COMMANDS["viz"][0]).command
    return viz.get_command(context, name)


def _exists(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _extension(name: str, executable: str) -> click.Command:
    """Runs in this process's place, so that signals and the exit code are its own."""

    @click.command(name, add_help_option=False, context_settings={"ignore_unknown_options": True})
    @click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
    def run(arguments: tuple[str, ...]) -> None:
        os.execv(executable, [executable, *arguments])

    return run


@click.group(
    cls=Program,
    name=names.PROGRAM,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    invoke_without_command=False,
)
def program() -> None:
    """A light service mesh: mutual TLS, metrics and routing for every pod, by a proxy beside it."""


def main(arguments: list[str] | None = None) -> None:
    """The entry point; usage errors end with 1, as all errors do."""
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    options: dict[str, Any] = {"prog_name": names.PROGRAM, "standalone_mode": False}
    try:
        result = program.main(args=arguments, **options)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return 1
    except click.ClickException as error:
        error.show()
        return 1
    except click.Abort:
        click.echo("interrupted", err=True)
        return 130
    except BrokenPipeError:
        # Whoever read our output has gone; Python would complain once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return result if isinstance(result, int) else 0


if __name__ == "__main__":
    main()
