"""Takes programs from the official release servers, where they can be reached and vouch for them.

A file counts only with the checksum that its publisher put beside it.
"""

import hashlib
import io
import re
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tulle.local.binaries import Binary, architecture, keep

CONNECT_SECONDS = 3.0
READ_SECONDS = 60.0


class Unavailable(Exception):
    """The file is not to be had from its release server; a build will do."""


class Releases:
    """One connection pool; a host that did not answer once is not asked again."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http
        self._silent: set[str] = set()

    def fetch(self, binary: Binary, folder: Path) -> None:
        """Put the program into the cache; raises Unavailable."""
        if binary.release is None:
            raise Unavailable(f"{binary.name} is not published as we need it")
        url = fill(binary.release, binary)
        data = self.verified(url)
        if binary.member is not None:
            data = _member(data, fill(binary.member, binary))
        fresh = folder / f"{binary.name}.new"
        fresh.write_bytes(data)
        keep(folder, binary, fresh, url)

    def verified(self, url: str) -> bytes:
        """The file, after its SHA-256 was compared with the published one."""
        expected = self._checksum(url)
        data = self._get(url)
        if hashlib.sha256(data).hexdigest() != expected:
            raise Unavailable(f"{url} does not have the checksum that its publisher states")
        return data

    def _checksum(self, url: str) -> str:
        """`FILE.sha256` beside the file, or a line of the release's SHA256SUMS."""
        try:
            text = self._get(f"{url}.sha256").decode()
        except Unavailable:
            text = self._get(f"{url.rpartition('/')[0]}/SHA256SUMS").decode()
        return checksum_in(text, url.rpartition("/")[2])

    def _get(self, url: str) -> bytes:
        host = httpx.URL(url).host
        if host in self._silent:
            raise Unavailable(f"{host} does not answer")
        try:
            response = self._http.get(url, follow_redirects=True)
        except httpx.HTTPError as error:
            self._silent.add(host)
            raise Unavailable(f"{host} does not answer: {error}") from error
        if response.status_code != 200:
            raise Unavailable(f"{url} answers {response.status_code}")
        return response.content


@contextmanager
def releases() -> Iterator[Releases]:
    limits = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
    with httpx.Client(timeout=limits) as http:
        yield Releases(http)


def fill(template: str, binary: Binary) -> str:
    return template.replace("@VERSION@", binary.version).replace("@ARCH@", architecture())


def checksum_in(text: str, file: str) -> str:
    """The SHA-256 that a checksum file states for `file`: alone, or `HASH  NAME` per line."""
    for line in text.splitlines():
        words = line.split()
        named = len(words) == 1 or words[-1].lstrip("*").rpartition("/")[2] == file
        if words and named and re.fullmatch(r"[0-9a-f]{64}", words[0]):
            return words[0]
    raise Unavailable(f"no checksum of {file} is published")


def _member(data: bytes, name: str) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        try:
            member = archive.extractfile(name)
        except KeyError:
            member = None
        if member is None:
            raise Unavailable(f"the release archive holds no {name}")
        return member.read()
