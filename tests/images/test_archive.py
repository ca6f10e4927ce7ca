"""An archive is an OCI image layout whose every digest holds."""

import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from packing import archive, layers
from packing.description import Image

IMAGE = Image(
    name="sample",
    tag="docker.io/tulle/sample:1.2.3",
    base="none",
    user="2102",
    entrypoint=("/bin/sample", "--flag"),
    environment=(("LANG", "C.UTF-8"),),
)


@pytest.fixture
def blobs(tmp_path: Path) -> dict[str, bytes]:
    """The members of an archive of one layer."""
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "file").write_text("content")
    layers.write_layer(tmp_path / "tree", tmp_path / "layer.tar")
    layer = archive.Layer(tmp_path / "layer.tar", layers.file_digest(tmp_path / "layer.tar"))
    archive.write_archive(IMAGE, [layer], "amd64", tmp_path / "sample.tar")
    with tarfile.open(tmp_path / "sample.tar") as tar:
        return {entry.name: tar.extractfile(entry).read() for entry in tar}  # type: ignore[union-attr]


def follow(blobs: dict[str, bytes], descriptor: dict[str, Any]) -> bytes:
    data = blobs["blobs/sha256/" + descriptor["digest"].removeprefix("sha256:")]
    assert len(data) == descriptor["size"]
    assert "sha256:" + hashlib.sha256(data).hexdigest() == descriptor["digest"]
    return data


def test_index_leads_to_manifest_config_and_layer(blobs: dict[str, bytes]) -> None:
    assert json.loads(blobs["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    (entry,) = json.loads(blobs["index.json"])["manifests"]
    assert entry["annotations"]["io.containerd.image.name"] == IMAGE.tag
    assert entry["annotations"]["org.opencontainers.image.ref.name"] == "1.2.3"
    manifest = json.loads(follow(blobs, entry))
    config = json.loads(follow(blobs, manifest["config"]))
    (layer,) = manifest["layers"]
    follow(blobs, layer)
    assert config["rootfs"]["diff_ids"] == [layer["digest"]]
    assert config["config"]["User"] == "2102"
    assert config["config"]["Entrypoint"] == ["/bin/sample", "--flag"]
    assert "LANG=C.UTF-8" in config["config"]["Env"]
