"""Generate the Python stubs of the proxy API and of our own messages into src/tulle/proto.

The .proto files of the proxy API come from the published crate `linkerd2-proxy-api` at the version
that Cargo.lock pins (cargo has it after `cargo fetch`); ours lie in proto/. Nothing generated is
checked in. Prints what it made; does nothing when its inputs have not changed.
"""

import hashlib
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "src" / "tulle" / "proto"
STAMP = TARGET / ".stubs"
CRATE = "linkerd2-proxy-api"
OWN_TIMESTAMP = "google/protobuf/timestamp/timestamp.proto"
STANDARD_TIMESTAMP = "google/protobuf/timestamp.proto"


def crate_protos() -> Path:
    """The crate's proto folder, asked of cargo, so that it is the version Cargo.lock pins."""
    command = ["cargo", "metadata", "--format-version", "1", "--locked"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if found.returncode != 0:
        raise SystemExit(f"stubs: `{' '.join(command)}` failed:\n{found.stderr}")
    for package in json.loads(found.stdout)["packages"]:
        if package["name"] == CRATE:
            return Path(package["manifest_path"]).parent / "proto"
    raise SystemExit(f"stubs: Cargo.lock does not name the crate {CRATE}")


def sources() -> dict[str, str]:
    """File name -> text, with the API's own path of the timestamp type put right.

    The API carries a copy of the timestamp message under a path of its own; the runtime's
    built-in descriptor of that message would collide with it.
    """
    texts = {}
    for folder in (crate_protos(), ROOT / "proto"):
        for path in sorted(folder.glob("*.proto")):
            texts[path.name] = path.read_text().replace(OWN_TIMESTAMP, STANDARD_TIMESTAMP)
    return texts


def generate(texts: dict[str, str]) -> None:
    import grpc_tools
    from grpc_tools import protoc

    standard = Path(grpc_tools.__file__).parent / "_proto"
    with tempfile.TemporaryDirectory() as folder:
        for name, text in texts.items():
            Path(folder, name).write_text(text)
        arguments = ["protoc", f"-I{folder}", f"-I{standard}"]
        outputs = [f"--python_out={TARGET}", f"--grpc_python_out={TARGET}"]
        if protoc.main([*arguments, *outputs, *texts]) != 0:
            raise SystemExit("stubs: protoc failed, see above")
    siblings = "|".join(re.escape(name.removesuffix(".proto")) for name in texts)
    absolute = re.compile(rf"^import (({siblings})_pb2) as", re.MULTILINE)
    for path in TARGET.glob("*_pb2*.py"):
        path.write_text(absolute.sub(r"from tulle.proto import \1 as", path.read_text()))


def main() -> None:
    import grpc_tools

    texts = sources()
    version = Path(grpc_tools.__file__).parent.parent.glob("grpcio_tools-*.dist-info")
    seed = json.dumps([texts, sorted(path.name for path in version), Path(__file__).read_text()])
    digest = hashlib.sha256(seed.encode()).hexdigest()
    if STAMP.exists() and STAMP.read_text() == digest:
        return
    for old in TARGET.glob("*_pb2*.py"):
        old.unlink()
    TARGET.mkdir(parents=True, exist_ok=True)
    generate(texts)
    STAMP.write_text(digest)
    print(f"stubs: {len(texts)} files in {TARGET.relative_to(ROOT)}", file=sys.stderr)


if __name__ == "__main__":
    main()
