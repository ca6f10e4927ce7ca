"""Which programs are taken from the cache, and what a download must prove."""

import hashlib
from pathlib import Path

import httpx
import pytest

from tulle.local import binaries
from tulle.local.binaries import TABLE, is_recent, keep, missing, needed, recipe
from tulle.local.download import Releases, Unavailable, checksum_in

PAUSE, APISERVER = needed(["pause"])[0], needed(["kube-apiserver"])[0]


def cached(folder: Path, content: bytes = b"x") -> None:
    fresh = folder / "pause.new"
    fresh.write_bytes(content)
    keep(folder, PAUSE, fresh, "built")


def test_what_is_kept_is_not_missing(tmp_path: Path) -> None:
    assert missing(tmp_path, [PAUSE]) == [PAUSE]
    cached(tmp_path)
    assert missing(tmp_path, [PAUSE]) == []
    assert (tmp_path / "pause").stat().st_mode & 0o111


def test_a_program_of_another_recipe_is_missing(tmp_path: Path) -> None:
    cached(tmp_path)
    record = (tmp_path / binaries.RECORD).read_text()
    (tmp_path / binaries.RECORD).write_text(record.replace(recipe(PAUSE), "0" * 16))
    assert missing(tmp_path, [PAUSE]) == [PAUSE]


def test_a_record_without_its_program_does_not_count(tmp_path: Path) -> None:
    cached(tmp_path)
    (tmp_path / "pause").unlink()
    assert missing(tmp_path, [PAUSE]) == [PAUSE]


def test_every_program_has_a_recipe_of_its_own() -> None:
    assert len({recipe(each) for each in TABLE}) == len(TABLE)


@pytest.mark.parametrize(
    ("version", "recent"),
    [("v1.28.0", True), ("v1.34.4", True), ("v1.27.9", False), ("v2.0.0", True), ("x", False)],
)
def test_an_old_kubectl_does_not_count(version: str, *, recent: bool) -> None:
    assert is_recent(f'{{"clientVersion": {{"gitVersion": "{version}"}}}}') is recent


def test_checksum_files_of_either_form_are_read() -> None:
    digest = "a" * 64
    assert checksum_in(digest + "\n", "kubelet") == digest
    listing = f"{'b' * 64}  other.tar.gz\n{digest} *etcd.tar.gz\n"
    assert checksum_in(listing, "etcd.tar.gz") == digest
    with pytest.raises(Unavailable, match="no checksum"):
        checksum_in("<html>", "kubelet")


def server(content: bytes, stated: bytes) -> httpx.Client:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith(".sha256"):
            return httpx.Response(200, text=hashlib.sha256(stated).hexdigest())
        return httpx.Response(200, content=content)

    return httpx.Client(transport=httpx.MockTransport(answer))


def test_a_download_with_its_published_checksum_is_kept(tmp_path: Path) -> None:
    with server(b"program", b"program") as http:
        Releases(http).fetch(APISERVER, tmp_path)
    assert (tmp_path / "kube-apiserver").read_bytes() == b"program"
    assert missing(tmp_path, [APISERVER]) == []


def test_a_download_with_another_checksum_is_refused(tmp_path: Path) -> None:
    with server(b"altered", b"program") as http, pytest.raises(Unavailable, match="checksum"):
        Releases(http).fetch(APISERVER, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_silent_is_asked_once(tmp_path: Path) -> None:
    asked = []

    def refuse(request: httpx.Request) -> httpx.Response:
        asked.append(request.url)
        raise httpx.ConnectTimeout("no answer")

    with httpx.Client(transport=httpx.MockTransport(refuse)) as http:
        releases = Releases(http)
        for _ in range(3):
            with pytest.raises(Unavailable):
                releases.fetch(APISERVER, tmp_path)
    assert len(asked) == 1


def test_our_own_programs_are_always_built(tmp_path: Path) -> None:
    with server(b"", b"") as http, pytest.raises(Unavailable, match="not published"):
        Releases(http).fetch(PAUSE, tmp_path)
