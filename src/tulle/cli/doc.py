"""`tulle doc`, hidden: every command with its flags, as Markdown for docs/reference or as YAML."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import click

from tulle import names
from tulle.cli.manifest import text
from tulle.cli.target import Command

HEAD = """\
# Commands

Written by `tulle doc > docs/reference/cli.md`: change the command, not this page.

Data goes to standard output, all else to standard error. Exit code 0 is success, "nothing was
found" included; any error is 1. An executable `tulle-NAME` on PATH runs as `tulle NAME`.
`tulle dashboard | edges | routes | stat | tap | top` lead to `tulle viz …` with a note.
`source <(tulle completion bash)` lets the shell complete commands, flags, contexts, namespaces,
kinds and the names of objects; zsh and fish likewise.

TYPE/NAME names a Kubernetes object by its singular, plural or short name: `deploy/web`,
`deployments web`, `po`.

## Environment variables
| variable | meaning |
|---|---|
| `TULLE_NAMESPACE`, `LINKERD_NAMESPACE` | namespace of the control plane, where `-L` is not given |
| `KUBECONFIG` | kubeconfig files, as kubectl reads them |
| `NO_COLOR` | when set: no colour, whatever the output is |
| `TERM` | `dumb` means no colour |
| `TULLE_CACHE` | folder of the local cluster's binaries and images |
| `TULLE_LOCAL_ROOT` | folder of the local clusters' state (`/var/lib/tulle`) |
| `TULLE_BIN` | folder of kube-apiserver and etcd for tests |
| `SUDO_USER` | whose kubeconfig `sudo tulle local up` writes |
"""


@dataclass(frozen=True, slots=True)
class Flag:
    names: str
    value: str
    default: str
    help: str
    is_global: bool


@dataclass(frozen=True, slots=True)
class Described:
    path: str
    usage: str
    help: str
    flags: tuple[Flag, ...]


def described() -> list[Described]:
    """Every command that is not hidden, in the order of its name."""
    from tulle.cli.main import program

    root = click.Context(program, info_name=names.PROGRAM)
    return list(_commands(program, root))


def _commands(command: click.Command, context: click.Context) -> Iterator[Described]:
    if isinstance(command, click.Group):
        if context.parent is not None and any(_own(command)):
            yield _described(command, context)
        for name in sorted(command.list_commands(context)):
            found = command.get_command(context, name)
            if found is not None and not found.hidden and found.name == name:
                yield from _commands(found, click.Context(found, context, info_name=name))
    else:
        yield _described(command, context)


def _own(command: click.Command) -> Iterator[click.Option]:
    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.expose_value:
            yield parameter


def _described(command: click.Command, context: click.Context) -> Described:
    pieces = " ".join(command.collect_usage_pieces(context))
    flags = tuple(
        _flag(parameter, context)
        for parameter in command.params
        if isinstance(parameter, click.Option) and not parameter.hidden
    )
    return Described(
        context.command_path,
        f"{context.command_path} {pieces}",
        " ".join((command.help or "").split()),
        flags,
    )


def _flag(option: click.Option, context: click.Context) -> Flag:
    value = "" if option.is_flag else option.make_metavar(context)
    default = option.get_default(context, call=False)
    is_shown = not option.is_flag and default not in (None, "", ()) and not option.multiple
    return Flag(
        ", ".join([*option.opts, *option.secondary_opts]),
        value,
        str(default) if is_shown and isinstance(default, str | int | float) else "",
        option.help or "",
        not option.expose_value,
    )


def markdown() -> str:
    commands = described()
    shared = tuple(flag for flag in commands[0].flags if flag.is_global)
    parts = [HEAD, "\n## Flags of every command but `tulle local`\n", _table(shared)]
    for command in commands:
        own = tuple(flag for flag in command.flags if flag not in shared)
        parts.append(f"\n## {command.path}\n`{command.usage}`\n\n{command.help}\n")
        if own:
            parts.append(f"\n{_table(own)}")
    return "".join(parts)


def _table(flags: tuple[Flag, ...]) -> str:
    lines = ["| flag | default | meaning |", "|---|---|---|"]
    for flag in flags:
        shown = f"`{flag.names}`" + (f" {flag.value}" if flag.value else "")
        default = f"`{flag.default}`" if flag.default else ""
        cells = (shown, default, flag.help)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(line.replace("|  |", "| |") for line in lines) + "\n"


def tree() -> dict[str, Any]:
    return {
        "commands": [
            {
                "name": command.path,
                "usage": command.usage,
                "help": command.help,
                "flags": [
                    {
                        "names": flag.names,
                        "value": flag.value,
                        "default": flag.default,
                        "help": flag.help,
                    }
                    for flag in command.flags
                ],
            }
            for command in described()
        ]
    }


@click.command("doc", cls=Command, hidden=True)
@click.option(
    "-o",
    "--output",
    type=click.Choice(["markdown", "yaml"]),
    default="markdown",
    help="Form of the output.",
)
def command(output: str) -> None:
    """Print the reference of all commands."""
    click.echo(markdown() if output == "markdown" else text(tree()), nl=False)
