"""Files that change are noticed by their content; a bad certificate leaves the old one."""

import asyncio
from pathlib import Path

import pytest

from tulle.serve.certs import CertificateError, FileWatch, ServingCertificate


def test_a_change_is_noticed_once(tmp_path: Path) -> None:
    file = tmp_path / "a"
    watch = FileWatch(file)
    assert not watch.changed()
    file.write_text("1")
    assert watch.changed()
    assert not watch.changed()
    file.unlink()
    assert watch.changed()


def test_links_that_are_swapped_as_the_kubelet_does(tmp_path: Path) -> None:
    for version in ("one", "two"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "tls.crt").write_text(version)
    data = tmp_path / "..data"
    data.symlink_to("one")
    (tmp_path / "tls.crt").symlink_to("..data/tls.crt")
    watch = FileWatch(tmp_path / "tls.crt")
    following = tmp_path / "..data_tmp"
    following.symlink_to("two")
    following.rename(data)
    assert watch.changed()


async def test_following_calls_after_each_change_and_ends(tmp_path: Path) -> None:
    file, stop = tmp_path / "a", asyncio.Event()
    watch = FileWatch(file, every_seconds=0.005)
    seen: asyncio.Queue[str] = asyncio.Queue()
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        tasks.create_task(watch.follow(lambda: seen.put_nowait(file.read_text()), stop))
        for text in ("1", "2"):
            temporary = tmp_path / "b"
            temporary.write_text(text)
            temporary.rename(file)
            assert await seen.get() == text
        stop.set()


def test_no_certificate_is_said(tmp_path: Path) -> None:
    with pytest.raises(CertificateError, match=r"cannot serve the certificate .*tls\.crt"):
        ServingCertificate(tmp_path)
