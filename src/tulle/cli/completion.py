"""`tulle completion SHELL`: the script that lets a shell complete our commands and flags."""

import click
from click.shell_completion import get_completion_class

from tulle import names
from tulle.cli.target import Command, Failure

VARIABLE = f"_{names.PROGRAM.upper()}_COMPLETE"  # by it, click knows that a shell asks


@click.command("completion", cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script of a shell; in bash: source <(tulle completion bash)."""
    kind = get_completion_class(shell)
    if kind is None:
        raise Failure(f"there is no completion for {shell}")
    root = click.get_current_context().find_root().command
    click.echo(kind(root, {}, names.PROGRAM, VARIABLE).source())
