"""Files that change under us, as mounted Secrets do: noticing it, and serving a new certificate.

Contents are compared, not times: a Secret's files are links that the kubelet swaps, and a watch on
them can miss the swap.
"""

import asyncio
import contextlib
import hashlib
import ssl
from collections.abc import Callable
from pathlib import Path

from tulle.serve.logs import Log

log = Log("serve.certs")

CHECK_EVERY_SECONDS = 2.0


class CertificateError(Exception):
    """A certificate and key that cannot be served; the message names the files."""


class FileWatch:
    """Notices when any of some files has another content than the last time it was asked."""

    def __init__(self, *paths: Path, every_seconds: float = CHECK_EVERY_SECONDS) -> None:
        self._paths = paths
        self._every_seconds = every_seconds
        self._seen = self._digest()

    def _digest(self) -> tuple[bytes | None, ...]:
        """One digest per file, None where there is no file."""
        found: list[bytes | None] = []
        for path in self._paths:
            try:
                found.append(hashlib.sha256(path.read_bytes()).digest())
            except OSError:
                found.append(None)
        return tuple(found)

    def changed(self) -> bool:
        before, self._seen = self._seen, self._digest()
        return before != self._seen

    async def follow(self, on_change: Callable[[], None], stop: asyncio.Event) -> None:
        """Call `on_change` after each change, until `stop` is set."""
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._every_seconds)
            if not stop.is_set() and self.changed():
                on_change()


class ServingCertificate:
    """The TLS context of an HTTPS server, whose certificate is replaced while it serves."""

    def __init__(self, folder: Path, *, check_every_seconds: float = CHECK_EVERY_SECONDS) -> None:
        """`folder` holds tls.crt and tls.key, as a Secret of type kubernetes.io/tls is mounted."""
        self._certificate, self._key = folder / "tls.crt", folder / "tls.key"
        self._watch = FileWatch(self._certificate, self._key, every_seconds=check_every_seconds)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._load()

    def _load(self) -> None:
        """New handshakes get the new pair. It is tried apart, so a bad one leaves the old."""
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self._certificate, self._key)
            self.context.load_cert_chain(self._certificate, self._key)
        except (OSError, ssl.SSLError) as error:
            raise CertificateError(
                f"cannot serve the certificate {self._certificate} with {self._key}: {error}"
            ) from error

    def reload(self) -> None:
        try:
            self._load()
        except CertificateError as error:
            log.warn("kept the old serving certificate", reason=error)
        else:
            log.info("loaded a new serving certificate", file=self._certificate)

    async def follow(self, stop: asyncio.Event) -> None:
        await self._watch.follow(self.reload, stop)
