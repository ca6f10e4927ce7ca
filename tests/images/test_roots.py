"""What is in the packed images runs from nothing but the image's own files."""

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CACHE = Path(os.environ.get("TULLE_CACHE", Path.home() / ".cache" / "tulle")) / "images"
PYTHON = "/usr/bin/python3"

pytestmark = [pytest.mark.root, pytest.mark.slow]


def unpacked(name: str, target: Path) -> Path:
    """Packs the image with the binaries as last built, and lays its layers over one another."""
    tool = [sys.executable, str(ROOT / "tools" / "images.py"), "--no-build", name]
    packed = subprocess.run(tool, capture_output=True, text=True, check=False)
    assert packed.returncode == 0, packed.stderr
    with tarfile.open(CACHE / f"{name}.tar") as archive:

        def blob(digest: str) -> str:
            return "blobs/sha256/" + digest.removeprefix("sha256:")

        index = json.loads(archive.extractfile("index.json").read())  # type: ignore[union-attr]
        manifest = archive.extractfile(blob(index["manifests"][0]["digest"]))
        assert manifest is not None
        for layer in json.loads(manifest.read())["layers"]:
            content = archive.extractfile(blob(layer["digest"]))
            with tarfile.open(fileobj=content) as tar:
                tar.extractall(target, filter="tar")
    return target


def within(root: Path, *command: str) -> str:
    done = subprocess.run(
        ["chroot", str(root), *command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_controller_imports_what_it_stands_on(tmp_path: Path) -> None:
    root = unpacked("controller", tmp_path)
    modules = "grpc, cryptography.x509, httpx, uvicorn, yaml, prometheus_client, ssl, sqlite3"
    own = "tulle.names, tulle.proto.destination_pb2_grpc, tulle.proto.identity_pb2_grpc"
    assert (
        within(root, PYTHON, "-W", "error", "-c", f"import {modules}, {own}; print('ok')") == "ok\n"
    )
    sources = {path for path in root.glob("usr/local/lib/python3.11/**/*.py")}
    compiled = root.glob("usr/local/lib/python3.11/**/__pycache__/*.cpython-311.pyc")
    assert len(sources) == len(list(compiled))


@pytest.mark.parametrize("name", ["todobackend", "todoui"])
def test_the_examples_import_what_they_stand_on(name: str, tmp_path: Path) -> None:
    program = f"import sys; sys.path.insert(0, '/usr/lib/todo'); import {name}; print('ok')"
    assert within(unpacked(name, tmp_path), PYTHON, "-c", program) == "ok\n"


def test_the_proxy_image_holds_its_programs_and_no_shell(tmp_path: Path) -> None:
    root = unpacked("proxy", tmp_path)
    assert within(root, "/usr/lib/tulle/tulle-init", "--version").startswith("tulle-init ")
    for tool in ("iptables-nft", "iptables-legacy", "ip6tables-nft", "ip6tables-legacy"):
        assert "v1." in within(root, f"/usr/sbin/{tool}", "--version")
    assert (root / "usr/lib/tulle/tulle-proxy").stat().st_mode & 0o777 == 0o755
    assert not [path for path in root.rglob("*") if path.name in ("sh", "bash", "busybox", "dash")]
    assert sum(path.stat().st_size for path in root.rglob("*") if path.is_file()) < 25_000_000
