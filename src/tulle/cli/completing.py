"""What a shell may complete: contexts, namespaces, kinds and the names of objects.

Whatever goes wrong, the shell gets nothing and the user sees no error: completion is a courtesy.
"""

import asyncio
from collections.abc import Collection, Coroutine
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem
from click.types import StringParamType

if TYPE_CHECKING:
    from tulle.cli.target import Target

PATIENCE_SECONDS = 2.0
WORKLOADS = (
    "cronjob", "daemonset", "deployment", "job", "namespace", "pod", "replicaset",
    "replicationcontroller", "statefulset",
)  # fmt: skip
MEASURED = (*WORKLOADS, "service", "trafficsplit")


class NamespaceName(StringParamType):
    name = "namespace"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return _starting(incomplete, _names(ctx, "/api/v1/namespaces"))


class ContextName(StringParamType):
    name = "name"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from tulle.k8s import kubeconfig

        try:
            known = kubeconfig.merged(kubeconfig.paths(_target(ctx).kubeconfig))["contexts"]
        except kubeconfig.KubeconfigError:
            return []
        return _starting(incomplete, [str(item.get("name", "")) for item in known])


class ObjectName(StringParamType):
    """The name of an object of one kind."""

    name = "name"

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return _starting(incomplete, _objects(ctx, self._kind))


class KindName(StringParamType):
    """A kind without a name."""

    name = "type"

    def __init__(self, kinds: Collection[str] = MEASURED) -> None:
        self._kinds = kinds

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from tulle.cli.resources import KINDS

        return _starting(incomplete, [KINDS[kind][0] for kind in self._kinds])


class ObjectWord(KindName):
    """TYPE, TYPE/NAME, or a name behind a TYPE that was given before."""

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from tulle.cli.resources import KINDS, NAMES

        word, slash, _ = incomplete.partition("/")
        kind = NAMES.get(word)
        if slash or kind in self._kinds:
            named = _objects(ctx, kind) if kind in self._kinds else []
            found = _starting(incomplete, [f"{word}/{name}" for name in named])
            return found if slash else [*super().shell_complete(ctx, param, incomplete), *found]
        given = ctx.params.get(param.name or "")
        first = given[0] if isinstance(given, tuple) and given else ""
        if (kind := NAMES.get(first)) in KINDS:
            return _starting(incomplete, _objects(ctx, kind))
        return super().shell_complete(ctx, param, incomplete)


# Parameters of this name stand for the same in every command.
BY_NAME: dict[str, StringParamType] = {
    "context": ContextName(),
    "namespace": NamespaceName(),
    "to_namespace": NamespaceName(),
    "from_namespace": NamespaceName(),
    "tulle_namespace": NamespaceName(),
    "cni_namespace": NamespaceName(),
    "viz_namespace": NamespaceName(),
    "words": ObjectWord(),
    "to": ObjectWord(),
    "source": ObjectWord(WORKLOADS),
}


def completes(parameter: click.Parameter) -> None:
    """Gives a parameter of plain text what its name stands for."""
    known = BY_NAME.get(parameter.name or "")
    if known is not None and type(parameter.type) is StringParamType:
        parameter.type = known


def _starting(incomplete: str, names: list[str]) -> list[CompletionItem]:
    return [CompletionItem(name) for name in sorted(names) if name.startswith(incomplete)]


def _target(ctx: click.Context) -> "Target":
    from tulle.cli.target import target

    return target(ctx)


def _objects(ctx: click.Context, kind: str | None) -> list[str]:
    from tulle.cli.resources import path_of

    place = _target(ctx)
    namespace = ctx.params.get("namespace") or place.default_namespace()
    path = path_of(kind, namespace) if kind else None
    return _names(ctx, path) if path else []


def _names(ctx: click.Context, path: str) -> list[str]:
    async def ask() -> list[str]:
        async with asyncio.timeout(PATIENCE_SECONDS), await _target(ctx).client() as client:
            return [str(item["metadata"]["name"]) for item in await client.list(path)]

    return _quietly(ask())


def _quietly(work: Coroutine[Any, Any, list[str]]) -> list[str]:
    from tulle.k8s.client import ApiError, Unreachable
    from tulle.k8s.kubeconfig import KubeconfigError

    try:
        return asyncio.run(work)
    except (ApiError, KubeconfigError, OSError, TimeoutError, Unreachable):
        return []
