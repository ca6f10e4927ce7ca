"""Reads Kubernetes objects from files, folders, standard input or https, and changes them."""

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from tulle.cli.target import Failure

Json = dict[str, Any]

BaseLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Loader(BaseLoader):  # type: ignore[misc]
    """YAML as Kubernetes reads it: dates and 1:30 stay texts."""


Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag not in ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:int")
    ]
    for first, resolvers in BaseLoader.yaml_implicit_resolvers.items()
}
Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int",
    re.compile(r"^[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]*|[1-9][0-9_]*)$"),
    list("-+0123456789"),
)


def sources(path: str) -> Iterator[tuple[str, str]]:
    """Name and text of everything that a path stands for."""
    if path == "-":
        yield "standard input", sys.stdin.read()
    elif path.startswith("https://"):
        yield path, _downloaded(path)
    elif path.startswith("http://"):
        raise Failure(f"{path}: manifests are only fetched by https")
    else:
        yield from _files(Path(path))


def _files(path: Path) -> Iterator[tuple[str, str]]:
    if not path.exists():
        raise Failure(f"cannot read {path}: no such file or directory")
    paths = sorted(item for item in path.rglob("*") if item.is_file()) if path.is_dir() else [path]
    for item in paths:
        try:
            yield str(item), item.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise Failure(f"cannot read {item}: {error}") from error


def _downloaded(address: str) -> str:
    import httpx

    try:
        response = httpx.get(address, follow_redirects=True, timeout=30.0)
        response.raise_for_status()
    except httpx.HTTPError as error:
        raise Failure(f"cannot fetch {address}: {error}") from error
    return response.text


def objects(name: str, text: str) -> Iterator[Any]:
    """The documents of one text; empty ones are left out."""
    try:
        for document in yaml.load_all(text, Loader=Loader):
            if document is not None:
                yield document
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise Failure(f"{name}{line}: not YAML: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise Failure(f"{name}: not YAML: {error}") from error


def changed(name: str, document: Any, change: Callable[[Json], Json | None]) -> Json | None:
    """A document with `change` done to it, or to each item of a List. None: nothing is left."""
    if not isinstance(document, dict):
        raise Failure(f"{name}: a Kubernetes object is a map of keys, not {document!r:.60}")
    is_list = str(document.get("kind", "")).endswith("List") and "items" in document
    if not is_list:
        return change(document)
    items = [changed(name, item, change) for item in document["items"] or []]
    return {**document, "items": [item for item in items if item is not None]}
