"""The texts of annotations, good and bad."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tulle.durations import seconds
from tulle.injector import units


@pytest.mark.parametrize(
    ("text", "value"),
    [("100ms", 0.1), ("5s", 5), ("1m30s", 90), ("24h0m0s", 86400), ("1.5h", 5400), ("0", 0)],
)
def test_durations(text, value) -> None:
    assert seconds(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "5", "s", "5 s", "-1s", "5sec", "1s2", "five"])
def test_no_durations(text) -> None:
    with pytest.raises(ValueError, match="a duration is"):
        seconds(text)


def test_durations_become_what_the_proxy_reads() -> None:
    assert units.milliseconds("1.5s") == "1500ms"
    assert units.milliseconds("0.3s") == "300ms"
    assert units.whole_seconds("1m30s") == "90s"


@pytest.mark.parametrize(
    ("text", "cores"),
    [("100m", 1), ("1000m", 1), ("1001m", 2), ("1", 1), ("1.5", 2), ("0.5", 1), ("2", 2)],
)
def test_cpu_is_rounded_up_to_whole_cores(text, cores) -> None:
    assert units.whole_cores(text) == cores


@pytest.mark.parametrize("text", ["100m", "0.5", "64Mi", "1Gi", "1e3", "500k"])
def test_quantities(text) -> None:
    assert units.quantity(text) == text


@pytest.mark.parametrize("text", ["", "lots", "64MiB", "-1", "1 Gi"])
def test_no_quantities(text) -> None:
    with pytest.raises(ValueError, match="a quantity is"):
        units.quantity(text)


def test_ports_and_ranges() -> None:
    assert units.ports("22, 8000-9000 ,443,") == "22,8000-9000,443"
    assert units.named_ports("db,25", {"db": 5432}) == "5432,25"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("db", "neither a port nor a range"),
        ("0", "neither"),
        ("65536", "neither"),
        ("1-", "neither"),
        ("9-8", "the range 9-8 ends before it begins"),
    ],
)
def test_no_ports(text, reason) -> None:
    with pytest.raises(ValueError, match=reason):
        units.ports(text)


def test_networks() -> None:
    assert units.networks("10.0.0.0/8, fd00::/8") == "10.0.0.0/8,fd00::/8"
    with pytest.raises(ValueError, match=r"'10\.0' is not a network"):
        units.networks("10.0")


@given(st.text())
def test_any_text_is_read_or_refused_by_value_error_alone(text) -> None:
    for read in (
        seconds,
        units.ports,
        units.networks,
        units.quantity,
        units.whole_cores,
        units.ratio,
        units.boolean,
        units.whole,
        units.user,
    ):
        try:
            read(text)
        except ValueError:
            continue
