"""A Lease between two replicas, on a real API server."""

from datetime import UTC, datetime, timedelta

import pytest

from tulle.k8s.lease import DURATION, Lease

pytestmark = pytest.mark.apiserver

NOW = datetime(2030, 1, 1, tzinfo=UTC)


async def test_the_first_holds_it_until_it_stops_renewing(api):
    first = Lease(api, "default", "lease-test", "first")
    second = Lease(api, "default", "lease-test", "second")
    assert await first.hold(NOW)
    assert not await second.hold(NOW + timedelta(seconds=10))
    assert await first.hold(NOW + timedelta(seconds=20))
    assert not await second.hold(NOW + DURATION)
    assert await second.hold(NOW + timedelta(seconds=21) + DURATION)
    assert not await first.hold(NOW + timedelta(seconds=22) + DURATION)
