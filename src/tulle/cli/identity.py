"""`tulle identity`: the certificates that meshed pods show, read from the pods themselves."""

import asyncio
import ssl
from typing import Any

import click
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from tulle import names
from tulle.cli.completing import ObjectName
from tulle.cli.diagnostics import mesh_port
from tulle.cli.target import Command, Failure, Target, run, target
from tulle.install.workload_trust import proxy_container
from tulle.k8s.client import ApiError, Client, NotFound, Unreachable
from tulle.k8s.portforward import forwarded

Json = dict[str, Any]

PATIENCE_SECONDS = 10.0


@click.command("identity", cls=Command)
@click.argument("pods", nargs=-1, metavar="POD...", type=ObjectName("pod"))
@click.option("-n", "--namespace", help="Namespace of the pods.")
@click.option("-l", "--selector", default="", help="Label selector, instead of names.")
def command(pods: tuple[str, ...], namespace: str | None, selector: str) -> None:
    """Show the certificate that each meshed pod proves itself with."""
    if not pods and not selector:
        raise Failure("name the pods, or select them with -l")
    place = target()
    run(_show(place, namespace or place.default_namespace(), pods, selector))


async def _show(place: Target, namespace: str, names_: tuple[str, ...], selector: str) -> None:
    async with await place.client() as client:
        pods = await _pods(client, namespace, names_, selector)
        if not pods:
            raise Failure(f"no pod in {namespace} matches {selector}")
        for number, pod in enumerate(pods, 1):
            name = pod["metadata"]["name"]
            click.echo(f"\nPOD {name} ({number} of {len(pods)})\n")
            if proxy_container(pod) is None:
                raise Failure(f"the pod {namespace}/{name} has no proxy")
            click.echo(described(await _certificate(client, pod)), nl=False)


async def _pods(
    client: Client, namespace: str, names_: tuple[str, ...], selector: str
) -> list[Json]:
    path = f"/api/v1/namespaces/{namespace}/pods"
    if selector:
        return await client.list(path, labelSelector=selector)
    try:
        return [await client.get(f"{path}/{name}") for name in names_]
    except NotFound as error:
        raise Failure(error.message) from error


async def _certificate(client: Client, pod: Json) -> x509.Certificate:
    """What the proxy shows to one who asks for its identity, at the port of the mesh.

    Not at the admin port: a port-forward comes from loopback, whom that answers in plain.
    """
    metadata = pod["metadata"]
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # it is shown, not trusted
    try:
        async with (
            asyncio.timeout(PATIENCE_SECONDS),
            forwarded(client, metadata["namespace"], metadata["name"], mesh_port(pod)) as forward,
        ):
            try:
                _, writer = await asyncio.open_connection(
                    "127.0.0.1", forward.port, ssl=context, server_hostname=identity_of(pod)
                )
            except (OSError, ssl.SSLError) as error:
                raise Failure(
                    f"no TLS from {metadata['name']}: {forward.failure or error}"
                ) from error
            shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
            writer.close()
    except (ApiError, Unreachable, TimeoutError) as error:
        cause = str(error) or "no answer in time"
        raise Failure(f"cannot ask the proxy of {metadata['name']}: {cause}") from error
    return x509.load_der_x509_certificate(shown)


def identity_of(pod: Json) -> str:
    """The name that the pod's proxy certifies itself for, by the settings in its environment."""
    environment = {
        item["name"]: item.get("value", "")
        for item in (proxy_container(pod) or {}).get("env") or []
    }
    return names.workload_identity(
        pod["spec"].get("serviceAccountName", "default"),
        pod["metadata"]["namespace"],
        control_namespace=environment.get("_l5d_ns") or names.CONTROL_NAMESPACE,
        trust_domain=environment.get("_l5d_trustdomain") or names.TRUST_DOMAIN,
    )


def described(certificate: x509.Certificate) -> str:
    """A certificate as lines of facts."""
    key = certificate.public_key()
    kind = f"EC {key.curve.name}" if isinstance(key, ec.EllipticCurvePublicKey) else "not EC"
    fingerprint = certificate.fingerprint(hashes.SHA256()).hex(":")
    lines = {
        "Subject": certificate.subject.rfc4514_string() or "(none)",
        "Issuer": certificate.issuer.rfc4514_string(),
        "Names": ", ".join(_names(certificate)) or "(none)",
        "Serial number": f"{certificate.serial_number:x}",
        "Not before": f"{certificate.not_valid_before_utc:%Y-%m-%d %H:%M:%S} UTC",
        "Not after": f"{certificate.not_valid_after_utc:%Y-%m-%d %H:%M:%S} UTC",
        "Public key": kind,
        "SHA-256": fingerprint,
    }
    return "".join(f"{name + ':':<15}{value}\n" for name, value in lines.items())


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    uris = found.get_values_for_type(x509.UniformResourceIdentifier)
    return [*found.get_values_for_type(x509.DNSName), *uris]
