"""An OCI archive (image layout 1.0 in a tar) that `ctr images import` and others take."""

import hashlib
import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packing.description import Image

MEDIA = "application/vnd.oci.image"
PATH_VARIABLE = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Layer:
    path: Path
    digest: str  # hexadecimal; stored plain, so it is also the diff id


def write_archive(image: Image, layers: list[Layer], architecture: str, out: Path) -> str:
    """The manifest's digest. The archive appears under its name only when it is whole."""
    config = _json(_config(image, layers, architecture))
    manifest = _json(_manifest(config, layers))
    partial = out.with_suffix(".partial")
    with tarfile.open(partial, "w", format=tarfile.PAX_FORMAT) as tar:
        _bytes(tar, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
        _bytes(tar, "index.json", _json(_index(image, manifest, architecture)))
        for blob in (config, manifest):
            _bytes(tar, f"blobs/sha256/{_digest(blob)}", blob)
        for layer in layers:
            entry = _entry(f"blobs/sha256/{layer.digest}", layer.path.stat().st_size)
            with layer.path.open("rb") as content:
                tar.addfile(entry, content)
    partial.rename(out)
    return _digest(manifest)


def _config(image: Image, layers: list[Layer], architecture: str) -> dict[str, Any]:
    environment = {"PATH": PATH_VARIABLE, **dict(image.environment)}
    config: dict[str, Any] = {
        "User": image.user,
        "Entrypoint": list(image.entrypoint),
        "Env": [f"{name}={value}" for name, value in environment.items()],
        "WorkingDir": "/",
    }
    if image.command:
        config["Cmd"] = list(image.command)
    return {
        "architecture": architecture,
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer.digest}" for layer in layers]},
    }


def _manifest(config: bytes, layers: list[Layer]) -> dict[str, Any]:
    return {
        "schemaVersion": 2,
        "mediaType": f"{MEDIA}.manifest.v1+json",
        "config": _descriptor("config.v1+json", _digest(config), len(config)),
        "layers": [
            _descriptor("layer.v1.tar", layer.digest, layer.path.stat().st_size) for layer in layers
        ],
    }


def _index(image: Image, manifest: bytes, architecture: str) -> dict[str, Any]:
    descriptor = _descriptor("manifest.v1+json", _digest(manifest), len(manifest))
    descriptor["platform"] = {"architecture": architecture, "os": "linux"}
    descriptor["annotations"] = {
        "io.containerd.image.name": image.tag,
        "org.opencontainers.image.ref.name": image.tag.rsplit(":", 1)[-1],
    }
    kind = f"{MEDIA}.index.v1+json"
    return {"schemaVersion": 2, "mediaType": kind, "manifests": [descriptor]}


def _descriptor(kind: str, digest: str, size: int) -> dict[str, Any]:
    return {"mediaType": f"{MEDIA}.{kind}", "digest": f"sha256:{digest}", "size": size}


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _entry(name: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o644
    return entry


def _bytes(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    tar.addfile(_entry(name, len(data)), io.BytesIO(data))
