"""Where the API server is and who we are to it: a kubeconfig, or the service account of our pod."""

import base64
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SERVICE_ACCOUNT: Path = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class KubeconfigError(Exception):
    """A kubeconfig that cannot be used; the message names the file and what to do."""


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach one API server. `token_file` is read anew for each request: tokens rotate."""

    server: str  # https://host:port, no trailing slash
    namespace: str = "default"
    context: str | None = None
    ca_data: bytes | None = field(default=None, repr=False)
    client_certificate: bytes | None = field(default=None, repr=False)
    client_key: bytes | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    token_file: Path | None = None
    exec_plugin: dict[str, Any] | None = None
    insecure: bool = False
    server_name: str | None = None
    impersonate_user: str | None = None
    impersonate_groups: tuple[str, ...] = ()


def in_cluster() -> Access:
    """The access of the pod that we run in. Raises KubeconfigError outside a pod."""
    host = os.environ.get("KUBERNETES_SERVICE_HOST")
    port = os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if host is None or not (SERVICE_ACCOUNT / "token").exists():
        raise KubeconfigError("not in a pod: no service account token is mounted")
    return Access(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        namespace=(SERVICE_ACCOUNT / "namespace").read_text().strip(),
        ca_data=(SERVICE_ACCOUNT / "ca.crt").read_bytes(),
        token_file=SERVICE_ACCOUNT / "token",
    )


def paths(kubeconfig: str | None = None) -> list[Path]:
    """The files kubectl would read: the given one, else $KUBECONFIG's, else ~/.kube/config."""
    if kubeconfig:
        return [Path(kubeconfig)]
    if listed := os.environ.get("KUBECONFIG"):
        return [Path(part) for part in listed.split(os.pathsep) if part]
    return [Path.home() / ".kube" / "config"]


def _named(items: list[dict[str, Any]], name: str, kind: str) -> dict[str, Any]:
    for item in items:
        if item.get("name") == name:
            inner = item.get(kind)
            return inner if isinstance(inner, dict) else {}
    raise KubeconfigError(f"the kubeconfig has no {kind} named {name!r}")


def merged(files: list[Path]) -> dict[str, Any]:
    """The files as one, kubectl's way: of several entries with one name the first counts."""
    import yaml

    result: dict[str, Any] = {"clusters": [], "contexts": [], "users": []}
    for path in files:
        if not path.exists():
            continue
        try:
            content = yaml.safe_load(path.read_text()) or {}
        except (yaml.YAMLError, OSError) as error:
            raise KubeconfigError(f"cannot read the kubeconfig {path}: {error}") from error
        if not isinstance(content, dict):
            raise KubeconfigError(f"{path} is not a kubeconfig: it holds no mapping")
        result.setdefault("current-context", content.get("current-context"))
        for kind in ("clusters", "contexts", "users"):
            for item in content.get(kind) or []:
                for inner in (item.get(kind[:-1]) or {}).items():
                    _absolute(item[kind[:-1]], inner[0], path.parent)
                result[kind].append(item)
    return result


def _absolute(entry: dict[str, Any], key: str, folder: Path) -> None:
    if key in ("certificate-authority", "client-certificate", "client-key", "tokenFile"):
        entry[key] = str(folder / entry[key])


def _bytes(entry: dict[str, Any], key: str) -> bytes | None:
    if data := entry.get(f"{key}-data"):
        return base64.b64decode(data)
    if path := entry.get(key):
        try:
            return Path(path).read_bytes()
        except OSError as error:
            raise KubeconfigError(f"cannot read {path}, which the kubeconfig names") from error
    return None


def from_kubeconfig(kubeconfig: str | None = None, context: str | None = None) -> Access:
    """The access that a kubeconfig's context (its current one by default) describes."""
    files = paths(kubeconfig)
    content = merged(files)
    name = context or content.get("current-context")
    if not name:
        listed = ", ".join(map(str, files))
        raise KubeconfigError(
            f"no cluster is chosen: {listed} is missing or names no current context; "
            "give --kubeconfig or --context, or start one here with `tulle local up`"
        )
    chosen = _named(content["contexts"], name, "context")
    cluster = _named(content["clusters"], chosen.get("cluster", ""), "cluster")
    user = _named(content["users"], chosen["user"], "user") if chosen.get("user") else {}
    return Access(
        server=str(cluster.get("server", "")).rstrip("/"),
        namespace=chosen.get("namespace") or "default",
        context=name,
        ca_data=_bytes(cluster, "certificate-authority"),
        client_certificate=_bytes(user, "client-certificate"),
        client_key=_bytes(user, "client-key"),
        token=user.get("token"),
        token_file=Path(user["tokenFile"]) if user.get("tokenFile") else None,
        exec_plugin=user.get("exec"),
        insecure=bool(cluster.get("insecure-skip-tls-verify")),
        server_name=cluster.get("tls-server-name"),
    )


def discover(kubeconfig: str | None = None, context: str | None = None) -> Access:
    """An explicit kubeconfig or context wins, then our pod's service account, then the default."""
    if not kubeconfig and not context and "KUBECONFIG" not in os.environ:
        try:
            return in_cluster()
        except KubeconfigError:
            pass
    return from_kubeconfig(kubeconfig, context)


def private_file(content: bytes) -> str:
    """A file only we can read, for the libraries that take keys by path; the caller removes it."""
    handle, name = tempfile.mkstemp(prefix="tulle-")
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    return name
