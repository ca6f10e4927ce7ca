"""One holder at a time: a Lease that replicas take, renew and inherit when its holder is gone."""

from datetime import UTC, datetime, timedelta

from tulle.k8s.client import Client, Conflict, Json, NotFound

DURATION = timedelta(seconds=30)


def _text(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Lease:
    """`hold` it again and again; whoever does not for 30 seconds has lost it."""

    def __init__(self, client: Client, namespace: str, name: str, holder: str) -> None:
        self._client, self._name, self._holder = client, name, holder
        self._path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"

    async def hold(self, now: datetime) -> bool:
        """Whether it is ours now."""
        try:
            found = await self._client.get(f"{self._path}/{self._name}")
        except NotFound:
            return await self._take(None, now)
        spec = found["spec"]
        renewed = spec.get("renewTime")
        is_stale = renewed is None or datetime.fromisoformat(renewed) + DURATION < now
        if spec.get("holderIdentity") == self._holder or is_stale:
            return await self._take(found, now)
        return False

    async def _take(self, found: Json | None, now: datetime) -> bool:
        """Another replica may be quicker: then it is theirs."""
        spec = {
            "holderIdentity": self._holder,
            "leaseDurationSeconds": int(DURATION.total_seconds()),
            "renewTime": _text(now),
        }
        try:
            if found is None:
                await self._client.create(
                    self._path, {"metadata": {"name": self._name}, "spec": spec}
                )
            else:
                await self._client.replace(
                    f"{self._path}/{self._name}", {**found, "spec": {**found["spec"], **spec}}
                )
        except Conflict:
            return False
        return True
