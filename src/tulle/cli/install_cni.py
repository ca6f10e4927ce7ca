"""`tulle install-cni`: the plugin that redirects pods without an init container."""

from collections.abc import Callable
from typing import Any

import click

from tulle import names
from tulle.cli.manifest import output_option, write
from tulle.cli.target import Command, target
from tulle.install import cni

# Of other installers of such a plugin; here each pod's redirect comes from the injector.
OF_THE_INJECTOR = (
    *("inbound-port", "outbound-port", "control-port", "admin-port", "proxy-uid", "proxy-gid"),
    *("skip-inbound-ports", "skip-outbound-ports", "redirect-ports"),
)


def _unused(function: Callable[..., Any]) -> Callable[..., Any]:
    for name in OF_THE_INJECTOR:
        function = click.option(f"--{name}", name.replace("-", "_"), hidden=True)(function)
    return function


@click.command("install-cni", cls=Command)
@click.option("--cni-image", default=names.PROXY_IMAGE, show_default=True, help="Its image.")
@click.option("--cni-image-version", default=names.VERSION, show_default=True, help="Its tag.")
@click.option(
    "--image-pull-policy", default="IfNotPresent", show_default=True, help="Of the image."
)
@click.option(
    "--dest-cni-net-dir", default=cni.NETWORKS_DIR, show_default=True, help="Networks of a node."
)
@click.option(
    "--dest-cni-bin-dir", default=cni.BINARIES_DIR, show_default=True, help="Plugins of a node."
)
@click.option(
    "--priority-class-name", default="system-node-critical", show_default=True, help="Of its pods."
)
@_unused
@output_option
def command(output: str, **given: Any) -> None:
    """Print the manifests of the CNI plugin, for kubectl apply -f -, or kubectl delete -f -."""
    unused = [name for name in OF_THE_INJECTOR if given[name.replace("-", "_")] is not None]
    for name in unused:
        click.echo(
            f"notice: --{name} changes nothing here: each pod's redirect follows the install's "
            f"values and the pod's annotations; give it to `{names.PROGRAM} install`",
            err=True,
        )
    plugin = cni.Plugin(
        namespace=target().cni_namespace,
        image=given["cni_image"],
        version=given["cni_image_version"],
        pull_policy=given["image_pull_policy"],
        networks=given["dest_cni_net_dir"],
        binaries=given["dest_cni_bin_dir"],
        priority_class=given["priority_class_name"],
    )
    write(cni.render(plugin), output)
