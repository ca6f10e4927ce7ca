"""Which cluster a command talks to: the flags of every command, and how failures read."""

import asyncio
import os
import re
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tulle import names
from tulle.cli.completing import completes

if TYPE_CHECKING:
    from tulle.k8s.client import Client

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Target:
    """The flags that say which cluster, as whom, and where the control plane is."""

    tulle_namespace: str = names.CONTROL_NAMESPACE
    cni_namespace: str = names.CNI_NAMESPACE
    kubeconfig: str | None = None
    context: str | None = None
    as_user: str | None = None
    as_groups: tuple[str, ...] = ()
    api_addr: str | None = None
    verbose: bool = False

    async def client(self) -> "Client":
        from tulle.k8s.client import Client

        return await Client.from_environment(
            self.kubeconfig,
            self.context,
            impersonate_user=self.as_user,
            impersonate_groups=self.as_groups,
        )

    def default_namespace(self) -> str:
        """The namespace of the current context, which `-n` stands for when it is not given."""
        from tulle.k8s.kubeconfig import KubeconfigError, discover

        try:
            return discover(self.kubeconfig, self.context).namespace or "default"
        except KubeconfigError:
            return "default"


def target(context: click.Context | None = None) -> Target:
    """What the flags say so far, wherever on the line they stood."""
    root = (context or click.get_current_context()).find_root()
    if not isinstance(root.obj, Target):
        given = os.environ.get("TULLE_NAMESPACE") or os.environ.get("LINKERD_NAMESPACE")
        root.obj = Target(tulle_namespace=given or names.CONTROL_NAMESPACE)
    return root.obj


def _remember(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if context.get_parameter_source(str(parameter.name)) is click.core.ParameterSource.DEFAULT:
        return
    if str(parameter.name).endswith("_namespace") and not re.fullmatch(r"[a-zA-Z0-9-]+", value):
        raise click.BadParameter(f"{value!r} is not the name of a namespace")
    context.find_root().obj = replace(target(context), **{str(parameter.name): value})


def global_options() -> list[click.Option]:
    """Fresh options for one command; click keeps them apart from the command's own arguments."""
    options = [
        click.Option(
            ["-L", "--tulle-namespace", "--linkerd-namespace", "tulle_namespace"],
            metavar="NAMESPACE",
            help=f"Namespace of the control plane ({names.CONTROL_NAMESPACE}).",
        ),
        click.Option(
            ["--cni-namespace"],
            metavar="NAMESPACE",
            help=f"Namespace of the CNI plugin ({names.CNI_NAMESPACE}).",
        ),
        click.Option(["--kubeconfig"], metavar="FILE", help="Path of the kubeconfig file."),
        click.Option(["--context"], metavar="NAME", help="Context of the kubeconfig."),
        click.Option(["--as", "as_user"], metavar="USER", help="User to impersonate."),
        click.Option(
            ["--as-group", "as_groups"],
            multiple=True,
            metavar="GROUP",
            help="Group to impersonate.",
        ),
        click.Option(
            ["--api-addr"], metavar="HOST:PORT", help="Talk to a component there, past Kubernetes."
        ),
        click.Option(["--verbose"], is_flag=True, help="Say more on standard error."),
    ]
    known = {field.name for field in fields(Target)}
    for option in options:
        assert option.name in known
        option.expose_value = False
        option.callback = _remember
    return options


class Command(click.Command):
    """A command that takes the global flags too."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        _add_global_options(self)


class Group(click.Group):
    """A group whose commands take the global flags; so does the group itself."""

    command_class = Command

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        _add_global_options(self)


Group.group_class = Group


def _add_global_options(command: click.Command) -> None:
    taken = {name for parameter in command.params for name in parameter.opts}
    for option in global_options():
        if not taken.intersection(option.opts):
            command.params.append(option)
    for parameter in command.params:
        completes(parameter)


class Failure(click.ClickException):
    """A sentence for the user, and exit code 1."""

    exit_code = 1


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Runs a command's work; what a user can put right becomes a sentence."""
    from tulle.k8s.client import ApiError, Forbidden, Unauthorized, Unreachable
    from tulle.k8s.kubeconfig import KubeconfigError

    try:
        return asyncio.run(work)
    except Unreachable as error:
        raise Failure(f"{error}; is the cluster up, and the right context current?") from error
    except KubeconfigError as error:
        raise Failure(str(error)) from error
    except Forbidden as error:
        raise Failure(f"not allowed: {error.message}") from error
    except Unauthorized as error:
        raise Failure(
            f"the cluster does not accept the credentials of the kubeconfig: {error.message}"
        ) from error
    except ApiError as error:
        raise Failure(f"the API server refused: {error}") from error


def failing(*kinds: type[Exception]) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    """Turns exceptions whose message is for the user into a Failure."""

    def decorate(function: Callable[..., Result]) -> Callable[..., Result]:
        def call(*arguments: Any, **options: Any) -> Result:
            try:
                return function(*arguments, **options)
            except kinds as error:
                raise Failure(str(error)) from error

        call.__doc__, call.__name__ = function.__doc__, function.__name__
        # click keeps a command's parameters on the function that it decorates.
        call.__dict__.update(function.__dict__)
        return call

    return decorate
