"""The issuer in force: read from its files, replaced when they change, kept if the new is bad."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from tulle import names
from tulle.identity.issuer import FILES, Issuer, IssuerError, Leaf, Lifetimes, issue, load
from tulle.k8s.events import Recorder, Subject
from tulle.serve.certs import CHECK_EVERY_SECONDS, FileWatch
from tulle.serve.logs import Log

log = Log("identity")


class Authority:
    """Signs leaves with the issuer of a folder, against the trust anchors of a file."""

    def __init__(
        self,
        folder: Path,
        anchors: Path,
        scheme: str,
        lifetimes: Lifetimes,
        events: Recorder,
        control_namespace: str,
        now: Callable[[], datetime],
        *,
        check_every_seconds: float = CHECK_EVERY_SECONDS,
    ) -> None:
        self._folder, self._anchors, self._scheme = folder, anchors, scheme
        self._lifetimes, self._events, self._now = lifetimes, events, now
        self._subject = Subject("apps/v1", "Deployment", control_namespace, names.IDENTITY)
        files = [folder / name for name in FILES[scheme]]
        self._watch = FileWatch(*files, anchors, every_seconds=check_every_seconds)
        self._issuer: Issuer | None = None  # None until files have been read that can sign
        self._failure = "the issuer has not been read yet"
        self._load()
        if self._issuer is None:
            self._warn("IssuerValidationFailed", self._failure)

    def _load(self) -> bool:
        now = self._now()
        try:
            anchors = self._anchors.read_bytes()
        except OSError as error:
            self._failure = f"cannot read the trust anchors: {error}"
            return False
        try:
            self._issuer = load(self._folder, self._scheme, anchors, now)
        except IssuerError as error:
            self._failure = str(error)
            return False
        self._failure = ""
        log.info("issuer loaded", until=self._issuer.not_after.isoformat())
        return True

    def reload(self) -> None:
        """Take what the files now hold. The old issuer stays in force if it cannot be used."""
        if self._load():
            self._events.record(self._subject, "IssuerUpdated", "the identity issuer was updated")
        elif self._issuer is None:
            self._warn("IssuerValidationFailed", self._failure)
        else:
            self._warn("IssuerUpdateSkipped", f"kept the old issuer: {self._failure}")

    def _warn(self, reason: str, message: str) -> None:
        log.error("the issuer cannot be used", reason=reason, cause=message)
        self._events.record(self._subject, reason, message, kind="Warning")

    async def follow(self, stop: asyncio.Event) -> None:
        await self._watch.follow(self.reload, stop)

    def seconds_left(self) -> float:
        """Until the issuer, its chain or their anchor expires; 0 without an issuer."""
        if self._issuer is None:
            return 0.0
        return max(0.0, (self._issuer.not_after - self._now()).total_seconds())

    def not_ready(self) -> str | None:
        if self._issuer is None:
            return self._failure
        return None if self.seconds_left() > 0 else "the issuer has expired"

    def issue(self, key: ec.EllipticCurvePublicKey, name: str, uri: str | None) -> Leaf:
        """Raises IssuerError when there is no issuer, or its life is over."""
        if self._issuer is None:
            raise IssuerError(self._failure)
        try:
            return issue(
                self._issuer, key, name, uri=uri, lifetimes=self._lifetimes, now=self._now()
            )
        except IssuerError as error:
            self._warn("IssuerValidationFailed", str(error))
            raise
