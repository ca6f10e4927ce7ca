"""Writes Kubernetes objects to standard output: YAML documents, or one JSON object per line."""

import json
import sys
from collections.abc import Iterable
from typing import IO, Any

import click
import yaml

Json = dict[str, Any]

BaseDumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class Dumper(BaseDumper):  # type: ignore[misc]
    """Keys stay in order, texts of several lines stay readable, nothing is an alias."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: Any, text: str) -> Any:
    style = "|" if "\n" in text else None
    if text.lower() in ("y", "n"):  # a text to PyYAML, true and false to kubectl
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


Dumper.add_representer(str, _text)

output_option = click.option(
    "-o",
    "--output",
    type=click.Choice(["yaml", "json"]),
    default="yaml",
    help="Form of the output.",
)


def write(objects: Iterable[Json], output: str, stream: IO[str] | None = None) -> None:
    to = stream or sys.stdout
    for item in objects:
        if output == "json":
            to.write(json.dumps(item) + "\n")
        else:
            to.write("---\n" + text(item))


def text(item: Json) -> str:
    dumped: str = yaml.dump(
        item,
        Dumper=Dumper,
        sort_keys=False,
        default_flow_style=False,
        allow_unicode=True,
        width=10**6,
    )
    return dumped


def minimal(item: Json) -> Json:
    """As much of an object as `kubectl delete -f -` needs."""
    metadata = {"name": item["metadata"]["name"]}
    if "namespace" in item["metadata"]:
        metadata["namespace"] = item["metadata"]["namespace"]
    return {"apiVersion": item["apiVersion"], "kind": item["kind"], "metadata": metadata}
