"""A component renews its own serving certificate before it expires.

The order keeps the API server's trust whole: first the new certificate joins the `caBundle`, then
it goes into the Secret, from where the kubelet brings it to every replica.

RBAC: `get`, `patch` on the one Secret, and on the one object that holds the `caBundle`.
"""

import asyncio
import base64
import datetime
from collections.abc import Callable
from dataclasses import dataclass

from cryptography import x509

from tulle.k8s.client import ApiError, Client, Conflict, Json, Unreachable
from tulle.serve.logs import Log
from tulle.serve.self_signed import certificate_pem, make_self_signed

log = Log("serve.renewal")

# A quarter of its life, and a month before `check` begins to warn.
RENEW_BEFORE = datetime.timedelta(days=90)
LOOK_EVERY_SECONDS = 3600.0
RETRY_SECONDS = 60.0

WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
VALIDATING_WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
API_SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


@dataclass(frozen=True, slots=True)
class Served:
    """A certificate in the cluster: its Secret, who is told to trust it, and for which name."""

    namespace: str
    secret: str
    trust_path: str  # of a webhook configuration or an APIService
    host: str

    @property
    def secret_path(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/secrets/{self.secret}"


class Renewal:
    def __init__(
        self, api: Client, served: Served, now: Callable[[], datetime.datetime] = _now
    ) -> None:
        self._api, self._served, self._now = api, served, now

    async def follow(self, stop: asyncio.Event) -> None:
        """Look now and then until `stop` is set; what goes wrong is told and tried again."""
        while not stop.is_set():
            seconds = LOOK_EVERY_SECONDS
            try:
                await self.renew_if_due()
            except (ApiError, Unreachable, ValueError, KeyError) as error:
                log.warn("cannot renew the serving certificate; trying on", reason=repr(error))
                seconds = RETRY_SECONDS
            try:
                async with asyncio.timeout(seconds):
                    await stop.wait()
            except TimeoutError:
                continue

    async def renew_if_due(self) -> bool:
        """Whether it was renewed. Another replica may be quicker: then there is nothing to do."""
        secret = await self._api.get(self._served.secret_path)
        old = _text(secret["data"]["tls.crt"])
        expiry = _certificates(old)[0].not_valid_after_utc
        if expiry - self._now() > RENEW_BEFORE:
            return False
        made = make_self_signed(self._served.host, self._now())
        try:
            await self._trust(old, made.certificate)
            data = {"tls.crt": _encoded(made.certificate), "tls.key": _encoded(made.key)}
            await self._patch(self._served.secret_path, secret, {"data": data})
        except Conflict:
            log.info("another replica renewed the serving certificate", secret=self._served.secret)
            return False
        log.info("renewed the serving certificate", secret=self._served.secret, old_expiry=expiry)
        return True

    async def _trust(self, *certificates: str) -> None:
        """Those beside what is trusted already, as long as that is still valid."""
        item = await self._api.get(self._served.trust_path)
        bundle = still_valid(self._now(), trusted_by(item), *certificates)
        await self._patch(self._served.trust_path, item, _with_bundle(item, bundle))

    async def _patch(self, path: str, seen: Json, change: Json) -> None:
        """Only if nobody changed the object since it was seen; else a Conflict."""
        metadata = {"resourceVersion": seen["metadata"]["resourceVersion"]}
        await self._api.patch(path, {"metadata": metadata, **change})


def _certificates(text: str) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(text.encode()) if text.strip() else []


def still_valid(now: datetime.datetime, *texts: str) -> str:
    """The certificates of some PEM texts that have not ended, each once."""
    known = [entry for text in texts for entry in _certificates(text)]
    current = [entry for entry in known if entry.not_valid_after_utc > now]
    return "".join(dict.fromkeys(certificate_pem(entry) for entry in current))


def trusted_by(item: Json) -> str:
    """The `caBundle` of a webhook configuration or an APIService, as PEM."""
    holder = item["webhooks"][0]["clientConfig"] if "webhooks" in item else item["spec"]
    return _text(holder.get("caBundle") or "")


def _with_bundle(item: Json, bundle: str) -> Json:
    encoded = _encoded(bundle)
    if "webhooks" not in item:
        return {"spec": {"caBundle": encoded}}
    return {
        "webhooks": [
            {**hook, "clientConfig": {**hook["clientConfig"], "caBundle": encoded}}
            for hook in item["webhooks"]
        ]
    }


def _text(encoded: str) -> str:
    return base64.b64decode(encoded).decode()


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
