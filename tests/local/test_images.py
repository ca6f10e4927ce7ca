"""Image archives: packed the same each time, and imported again only when they changed."""

import json
import tarfile
from pathlib import Path

from tulle.local.archive import Image, image_of, pack
from tulle.local.images import Imported, changed


def packed(folder: Path, content: bytes, name: str = "tulle.local/x:1") -> Path:
    program = folder / "x"
    program.write_bytes(content)
    target = folder / "x.tar"
    pack(Image(name, program, "65534"), target, "amd64")
    return target


def imported(path: Path) -> Imported:
    image = image_of(path)
    assert image is not None
    stat = path.stat()
    return Imported(str(path), stat.st_size, stat.st_mtime_ns, *image)


def test_the_same_program_gives_the_same_bytes(tmp_path: Path) -> None:
    first = packed(tmp_path, b"program").read_bytes()
    assert packed(tmp_path, b"program").read_bytes() == first


def test_the_archive_holds_the_program_and_says_how_to_run_it(tmp_path: Path) -> None:
    with tarfile.open(packed(tmp_path, b"program")) as archive:

        def blob(digest: str) -> bytes:
            file = archive.extractfile(f"blobs/sha256/{digest.removeprefix('sha256:')}")
            assert file is not None
            return file.read()

        index = archive.extractfile("index.json")
        assert index is not None
        manifest = json.loads(blob(json.load(index)["manifests"][0]["digest"]))
        config = json.loads(blob(manifest["config"]["digest"]))
        layer = blob(manifest["layers"][0]["digest"])
    assert config["config"]["Entrypoint"] == ["/x"]
    assert config["config"]["User"] == "65534"
    assert b"program" in layer


def test_an_untouched_archive_is_not_imported_again(tmp_path: Path) -> None:
    path = packed(tmp_path, b"one")
    assert changed([path], []) == [path]
    assert changed([path], [imported(path)]) == []


def test_an_archive_that_was_written_again_with_the_same_image_is_not(tmp_path: Path) -> None:
    known = imported(packed(tmp_path, b"one"))
    assert changed([packed(tmp_path, b"one")], [known]) == []


def test_an_archive_with_another_image_is_imported(tmp_path: Path) -> None:
    known = imported(packed(tmp_path, b"one"))
    path = packed(tmp_path, b"two")
    assert changed([path], [known]) == [path]


def test_a_file_that_is_no_oci_archive_has_no_image(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(b"no archive")
    assert image_of(path) is None
