"""The flags of install, upgrade and inject: the value each sets, the annotation it becomes."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from tulle.cli.target import Failure

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Flag:
    """`annotation` is the part after config.linkerd.io/ that says the same for one workload."""

    name: str
    value: str  # dotted path in the values
    help: str
    kind: type = str
    constant: Any = None  # what the bare flag sets; None: the flag takes a value
    annotation: str | None = None
    is_file: bool = False

    @property
    def key(self) -> str:
        return self.name.replace("-", "_")


PROXY = (
    Flag("proxy-image", "proxy.image.name", "Image of the proxy.", annotation="proxy-image"),
    Flag(
        "proxy-version",
        "proxy.image.version",
        "Tag of the proxy's image.",
        annotation="proxy-version",
    ),
    Flag(
        "image-pull-policy",
        "imagePullPolicy",
        "Pull policy of images.",
        annotation="image-pull-policy",
    ),
    Flag(
        "inbound-port",
        "proxy.ports.inbound",
        "Port for inbound traffic.",
        int,
        annotation="inbound-port",
    ),
    Flag(
        "outbound-port",
        "proxy.ports.outbound",
        "Port for outbound traffic.",
        int,
        annotation="outbound-port",
    ),
    Flag("control-port", "proxy.ports.control", "Port of tap.", int, annotation="control-port"),
    Flag(
        "admin-port",
        "proxy.ports.admin",
        "Port of metrics and probes.",
        int,
        annotation="admin-port",
    ),
    Flag(
        "skip-inbound-ports",
        "proxyInit.ignoreInboundPorts",
        "Ports and ranges that go past the proxy, inbound.",
        annotation="skip-inbound-ports",
    ),
    Flag(
        "skip-outbound-ports",
        "proxyInit.ignoreOutboundPorts",
        "Ports and ranges that go past the proxy, outbound.",
        annotation="skip-outbound-ports",
    ),
    Flag("proxy-uid", "proxy.uid", "User that the proxy runs as.", int, annotation="proxy-uid"),
    Flag("proxy-gid", "proxy.gid", "Group that the proxy runs as.", int, annotation="proxy-gid"),
    Flag(
        "proxy-log-level",
        "proxy.logLevel",
        "Log filter of the proxy.",
        annotation="proxy-log-level",
    ),
    Flag(
        "proxy-cpu-request",
        "proxy.resources.cpu.request",
        "CPU that the proxy requests.",
        annotation="proxy-cpu-request",
    ),
    Flag(
        "proxy-cpu-limit",
        "proxy.resources.cpu.limit",
        "CPU that the proxy may use.",
        annotation="proxy-cpu-limit",
    ),
    Flag(
        "proxy-memory-request",
        "proxy.resources.memory.request",
        "Memory that the proxy requests.",
        annotation="proxy-memory-request",
    ),
    Flag(
        "proxy-memory-limit",
        "proxy.resources.memory.limit",
        "Memory that the proxy may use.",
        annotation="proxy-memory-limit",
    ),
    Flag(
        "enable-external-profiles",
        "proxy.enableExternalProfiles",
        "Look up names outside the cluster too.",
        bool,
        constant=True,
        annotation="enable-external-profiles",
    ),
    Flag(
        "default-inbound-policy",
        "proxy.defaultInboundPolicy",
        "What holds where no Server says otherwise.",
        annotation="default-inbound-policy",
    ),
)

CONTROL = (
    Flag("controller-log-level", "controllerLogLevel", "Log level of the control plane."),
    Flag("controller-replicas", "controllerReplicas", "Replicas of each component.", int),
    Flag("controller-uid", "controllerUID", "User that the control plane runs as.", int),
    Flag("controller-gid", "controllerGID", "Group that the control plane runs as.", int),
    Flag(
        "disable-h2-upgrade",
        "enableH2Upgrade",
        "Keep HTTP/1 as it is between proxies.",
        bool,
        constant=False,
    ),
    Flag(
        "enable-endpoint-slices",
        "enableEndpointSlices",
        "Kept for older scripts: EndpointSlices are always used.",
        bool,
        constant=True,
    ),
    Flag("tulle-cni-enabled", "cniEnabled", "A CNI plugin sets the redirect.", bool, constant=True),
    Flag(
        "identity-issuance-lifetime",
        "identity.issuer.issuanceLifetime",
        "How long a leaf certificate holds.",
    ),
    Flag(
        "identity-clock-skew-allowance",
        "identity.issuer.clockSkewAllowance",
        "How far clocks may be apart.",
    ),
    Flag(
        "identity-trust-anchors-file",
        "identityTrustAnchorsPEM",
        "Trust anchors, PEM.",
        is_file=True,
    ),
    Flag(
        "identity-issuer-certificate-file",
        "identity.issuer.tls.crtPEM",
        "The issuer's certificate, PEM.",
        is_file=True,
    ),
    Flag(
        "identity-issuer-key-file",
        "identity.issuer.tls.keyPEM",
        "The issuer's private key, PEM.",
        is_file=True,
    ),
)

INSTALL_ONLY = (
    Flag("cluster-domain", "clusterDomain", "DNS domain of the cluster."),
    Flag("identity-trust-domain", "identityTrustDomain", "Trust domain of all identities."),
    Flag(
        "identity-external-issuer",
        "identity.issuer.scheme",
        "Somebody else writes the issuer's Secret.",
        bool,
        constant="kubernetes.io/tls",
    ),
    Flag(
        "identity-external-ca",
        "identity.externalCA",
        "Somebody else writes the trust anchors' ConfigMap.",
        bool,
        constant=True,
    ),
)


def flag_options(flags: Iterable[Flag]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Adds the flags to a command; one that is not given stays None."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for flag in reversed(list(flags)):
            names = [f"--{flag.name}"]
            if flag.name.startswith("tulle-"):
                names.append(f"--{flag.name.replace('tulle-', 'linkerd-', 1)}")
            if flag.constant is None:
                option = click.option(
                    *names, flag.key, type=flag.kind, default=None, help=flag.help
                )
            else:
                option = click.option(
                    *names, flag.key, is_flag=True, flag_value=True, default=None, help=flag.help
                )
            function = option(function)
        return function

    return decorate


def helm_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """--values, --set and their like, as Helm spells them."""
    for names, text in (
        (("--set-file", "contents"), "KEY=FILE: the value is the file's content."),
        (("--set-string", "texts"), "KEY=VALUE, the value taken as text."),
        (("--set", "settings"), "KEY=VALUE, KEY={A,B}; several by commas."),
        (("-f", "--values", "files"), "YAML file of values."),
    ):
        function = click.option(*names, multiple=True, help=text)(function)
    return function


def values_tree(flags: Iterable[Flag], given: Json) -> Json:
    """What the given flags say, as a tree of values; files are read."""
    tree: Json = {}
    for flag in flags:
        value = given.get(flag.key)
        if value is None:
            continue
        if flag.is_file:
            value = _content(flag, value)
        elif flag.constant is not None:
            value = flag.constant
        *parents, last = flag.value.split(".")
        place = tree
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    return tree


def _content(flag: Flag, name: str) -> str:
    try:
        content = Path(name).read_text()
    except OSError as error:
        raise Failure(f"--{flag.name}: cannot read {name}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Failure(f"--{flag.name}: {name} is not PEM: it is not even text") from error
    if not content.strip():
        raise Failure(f"--{flag.name}: {name} is empty")
    return content
