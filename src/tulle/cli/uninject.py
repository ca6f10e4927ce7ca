"""`tulle uninject`: manifests in, the same without the proxy out."""

from typing import Any

import click

from tulle.cli.documents import changed, objects, sources
from tulle.cli.manifest import output_option, write
from tulle.cli.target import Command, Failure
from tulle.install.unmeshing import unmeshed

Json = dict[str, Any]


@click.command("uninject", cls=Command)
@click.argument("path", metavar="FILE|DIR|-|URL")
@output_option
def command(path: str, output: str) -> None:
    """Take the proxy out of the objects of a manifest. The result is for kubectl apply -f -."""
    lines: list[str] = []

    def change(item: Json) -> Json:
        result, is_changed = unmeshed(item)
        name = (item.get("metadata") or {}).get("name", "")
        action = "uninjected" if is_changed else "skipped"
        lines.append(f'{str(item.get("kind", "")).lower()} "{name}" {action}')
        return result

    found = [
        changed(name, document, change)
        for name, text in sources(path)
        for document in objects(name, text)
    ]
    if not lines:
        raise Failure(f"{path} holds no Kubernetes object")
    write((item for item in found if item is not None), output)
    click.echo("\n".join(["", *lines, ""]), err=True)
