"""The issuer's files change while the component runs."""

import asyncio
from datetime import timedelta

from cryptography.hazmat.primitives.asymmetric import ec

from tulle.identity.authority import Authority
from tulle.identity.issuer import Lifetimes
from tulle.k8s.events import Recorder
from tulle.names import LINKERD_ISSUER_SCHEME

KEY = ec.generate_private_key(ec.SECP256R1()).public_key()


class Said(Recorder):
    """The reasons that were recorded, and an event that is set by each."""

    def __init__(self, clock) -> None:
        super().__init__(None, "test", now=clock)
        self.reasons: list[str] = []
        self.spoken = asyncio.Event()

    def record(self, subject, reason, message, *, kind="Normal", key=""):
        self.reasons.append(reason)
        self.spoken.set()
        return True


def authority(mounted, clock, said) -> Authority:
    return Authority(
        mounted.folder,
        mounted.anchors,
        LINKERD_ISSUER_SCHEME,
        Lifetimes(),
        said,
        "tulle",
        clock,
        check_every_seconds=0.01,
    )


async def test_a_new_issuer_is_taken_and_a_bad_one_is_not(mounted, make, clock) -> None:
    said = Said(clock)
    found = authority(mounted, clock, said)
    stop = asyncio.Event()
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        tasks.create_task(found.follow(stop))
        mounted.write(make("second", by=mounted.root))
        while said.reasons[-1:] != ["IssuerUpdated"]:  # key and certificate are two files
            await said.spoken.wait()
            said.spoken.clear()
        assert found.issue(KEY, "x", None).intermediates == (mounted.issuer.der,)
        second = mounted.issuer
        said.reasons.clear()
        mounted.write(make("stranger"))
        while "IssuerUpdateSkipped" not in said.reasons:
            await said.spoken.wait()
            said.spoken.clear()
        assert found.issue(KEY, "x", None).intermediates == (second.der,)
        assert found.not_ready() is None
        stop.set()


def test_the_seconds_left_are_those_of_the_first_to_expire(mounted, clock) -> None:
    found = authority(mounted, clock, Said(clock))
    assert found.seconds_left() == timedelta(days=364).total_seconds()
    clock.time += timedelta(days=364)
    assert found.seconds_left() == 0
    assert found.not_ready() == "the issuer has expired"


def test_a_start_without_issuer_is_said(mounted, clock) -> None:
    (mounted.folder / "crt.pem").write_bytes(b"")
    said = Said(clock)
    found = authority(mounted, clock, said)
    assert said.reasons == ["IssuerValidationFailed"]
    assert "there is no certificate in" in (found.not_ready() or "")
    assert found.seconds_left() == 0
