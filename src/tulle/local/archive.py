"""Packs one static program as an OCI image archive, without registry, daemon or Dockerfile.

The same program gives the same bytes.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LAYER = "application/vnd.oci.image.layer.v1.tar"
CONFIG = "application/vnd.oci.image.config.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"

Blob = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Image:
    name: str  # full, with registry and tag
    program: Path
    user: str
    folders: Sequence[str] = ("tmp",)


def pack(image: Image, target: Path, architecture: str) -> None:
    """Write the archive beside, then rename."""
    target.parent.mkdir(parents=True, exist_ok=True)
    layer = _layer(image)
    config = _json(_config(image, _digest(layer), architecture))
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": _descriptor(CONFIG, config),
            "layers": [_descriptor(LAYER, layer)],
        }
    )
    fresh = target.with_suffix(".new")
    with tarfile.open(fresh, "w", format=tarfile.GNU_FORMAT) as archive:
        for blob in (layer, config, manifest):
            _add(archive, f"blobs/sha256/{_digest(blob).removeprefix('sha256:')}", blob)
        _add(archive, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
        _add(archive, "index.json", _json(_index(image, manifest, architecture)))
    fresh.replace(target)


def image_of(archive: Path) -> tuple[str, str] | None:
    """Name and manifest digest of the first image of an OCI archive; None for another format."""
    try:
        with tarfile.open(archive) as opened:
            member = opened.extractfile("index.json")
            if member is None:
                return None
            first = json.load(member)["manifests"][0]
    except (KeyError, IndexError, tarfile.TarError, json.JSONDecodeError):
        return None
    notes = first.get("annotations", {})
    name = notes.get("io.containerd.image.name") or notes.get("org.opencontainers.image.ref.name")
    return (name, first["digest"]) if name else None


def _config(image: Image, layer_digest: str, architecture: str) -> Blob:
    return {
        "architecture": architecture,
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": {
            "User": image.user,
            "Entrypoint": [f"/{image.program.name}"],
            "Env": ["PATH=/"],
        },
        "rootfs": {"type": "layers", "diff_ids": [layer_digest]},
    }


def _index(image: Image, manifest: bytes, architecture: str) -> Blob:
    entry = {
        **_descriptor(MANIFEST, manifest),
        "platform": {"architecture": architecture, "os": "linux"},
        "annotations": {
            "io.containerd.image.name": image.name,
            "org.opencontainers.image.ref.name": image.name.rpartition(":")[2],
        },
    }
    return {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}


def _layer(image: Image) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as layer:
        for folder in image.folders:
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777
            layer.addfile(entry)
        _add(layer, image.program.name, image.program.read_bytes(), mode=0o755)
    return buffer.getvalue()


def _add(archive: tarfile.TarFile, name: str, data: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), mode
    archive.addfile(entry, io.BytesIO(data))


def _descriptor(kind: str, blob: bytes) -> Blob:
    return {"mediaType": kind, "digest": _digest(blob), "size": len(blob)}


def _digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def _json(document: Blob) -> bytes:
    return json.dumps(document, sort_keys=True).encode()
