"""The settings in force: read from the mounted values and trust roots, again when those change."""

import asyncio
from pathlib import Path
from typing import Any

import yaml

from tulle.injector.settings import Settings, ValuesError
from tulle.serve.certs import CHECK_EVERY_SECONDS, FileWatch
from tulle.serve.logs import Log

log = Log("injector")


def read(
    values: Path,
    trust_roots: Path,
    *,
    control_namespace: str,
    kubernetes_version: tuple[int, int] | None,
) -> Settings:
    """The settings that the files say. Raises ValuesError when they cannot be used.

    The trust roots' file wins over the values: it may be kept by someone else than the install.
    """
    try:
        content: Any = yaml.safe_load(values.read_text()) or {}
    except (OSError, yaml.YAMLError) as error:
        raise ValuesError(f"cannot read the values {values}: {error}") from error
    if not isinstance(content, dict):
        raise ValuesError(f"the values {values} hold no mapping")
    try:
        anchors = trust_roots.read_text().strip()
    except OSError:
        anchors = ""
    if anchors:
        content["identityTrustAnchorsPEM"] = anchors + "\n"
    settings = Settings.from_values(
        content, control_namespace=control_namespace, kubernetes_version=kubernetes_version
    )
    if not settings.trust_anchors_pem.strip():
        raise ValuesError(f"there are no trust anchors: neither {trust_roots} nor the values")
    return settings


class Source:
    """Holds the settings; a change that cannot be used leaves the old ones in force."""

    def __init__(
        self,
        values: Path,
        trust_roots: Path,
        *,
        control_namespace: str,
        kubernetes_version: tuple[int, int] | None,
        check_every_seconds: float = CHECK_EVERY_SECONDS,
    ) -> None:
        self._values, self._trust_roots = values, trust_roots
        self._control_namespace, self._version = control_namespace, kubernetes_version
        self._watch = FileWatch(values, trust_roots, every_seconds=check_every_seconds)
        self.settings = self._read()

    def _read(self) -> Settings:
        return read(
            self._values,
            self._trust_roots,
            control_namespace=self._control_namespace,
            kubernetes_version=self._version,
        )

    def reload(self) -> None:
        try:
            self.settings = self._read()
        except ValuesError as error:
            log.error("kept the old settings", reason=error)
        else:
            log.info("read new settings")

    async def follow(self, stop: asyncio.Event) -> None:
        await self._watch.follow(self.reload, stop)
