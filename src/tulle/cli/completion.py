"""`tulle completion SHELL`: the script that lets a shell complete our commands and flags."""

import click
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

from tulle import names
from tulle.cli.target import Command


class _Zsh(ZshComplete):
    """A plain zsh has not loaded its completion yet when it reads the script."""

    source_template = ZshComplete.source_template.replace(
        "    compdef %",
        "    (( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }\n    compdef %",
    )


class _Fish(FishComplete):
    """A description may hold commas."""

    source_template = FishComplete.source_template.replace('split ","', 'split -m 1 ","')


SHELLS: dict[str, type[ShellComplete]] = {"bash": BashComplete, "zsh": _Zsh, "fish": _Fish}
VARIABLE = f"_{names.PROGRAM.upper()}_COMPLETE"  # by it, click knows that a shell asks


@click.command("completion", cls=Command)
@click.argument("shell", type=click.Choice(list(SHELLS)))
def command(shell: str) -> None:
    """Print the completion script of a shell.

    In bash and zsh: source <(tulle completion bash); in fish: tulle completion fish | source.
    """
    root = click.get_current_context().find_root().command
    click.echo(SHELLS[shell](root, {}, names.PROGRAM, VARIABLE).source())
