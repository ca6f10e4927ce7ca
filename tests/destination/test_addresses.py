"""From what a client was told to what it must hear."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tulle.destination.addresses import AddressSet
from tulle.destination.endpoints import WEIGHT, Endpoint
from tulle.proto import destination_pb2 as pb


def made(*ports, identity=None):
    found = {
        ("10.0.0.1", port): Endpoint(("10.0.0.1", port), WEIGHT, (), identity=identity)
        for port in ports
    }
    return AddressSet(exists=True, endpoints=found)


def applied(told, messages):
    """What a client holds after hearing these."""
    held = dict(told)
    for raw in messages:
        update = pb.Update.FromString(raw)
        match update.WhichOneof("update"):
            case "add":
                for entry in update.add.addrs:
                    held[entry.addr.port] = entry.tls_identity.dns_like_identity.name
            case "remove":
                for entry in update.remove.addrs:
                    held.pop(entry.port, None)
            case "no_endpoints":
                held = {}
    return held


ports = st.sets(st.integers(1, 9))


@settings(deadline=None)  # the machine may be busy
@given(ports, ports, st.sampled_from([None, "a"]), st.sampled_from([None, "a"]))
def test_the_steps_lead_from_any_set_to_any_other(before, after, old, new):
    first, second = made(*before, identity=old), made(*after, identity=new)
    told = applied({}, first.full())
    assert applied(told, second.since(first)) == dict.fromkeys(after, new or "")


def test_all_who_were_told_the_same_get_the_same_bytes():
    first, second = made(1), made(1, 2)
    assert second.since(first) is second.since(first)
    assert second.full() is second.full()


def test_nothing_changed_nothing_said():
    assert made(1).since(made(1)) == []
    assert made().since(made()) == []


def test_a_service_that_goes_is_said_to_be_gone():
    (raw,) = AddressSet(exists=False).since(made())
    assert pb.Update.FromString(raw).no_endpoints.exists is False


def test_the_past_is_let_go():
    first, second, third = made(1), made(1, 2), made(3)
    second.since(first)
    third.since(second)
    assert second._steps == []
