"""Annotations of retries, timeouts and failure accrual."""

import pytest

from tulle.policy import settings


@pytest.mark.parametrize(
    ("text", "expected"),
    [("100ms", 0.1), ("5s", 5), ("2m", 120), ("1h", 3600), ("1d", 86400), ("0", 0), (" 1s ", 1)],
)
def test_durations(text, expected):
    assert settings.seconds(text) == expected


@pytest.mark.parametrize("text", ["", "5", "1.5s", "-1s", "s", "1w"])
def test_what_is_no_duration(text):
    with pytest.raises(settings.InvalidSetting):
        settings.seconds(text)


@pytest.mark.parametrize("value", ["teapot", "600", "504-502", "50"])
def test_a_retry_that_cannot_be_read_is_left_out(value):
    assert settings.retry({"retry.linkerd.io/http": value}, is_grpc=False) is None


def test_grpc_conditions():
    found = settings.retry({"retry.linkerd.io/grpc": "unavailable, internal"}, is_grpc=True)
    assert found.codes == ("unavailable", "internal")
    assert settings.retry({"retry.linkerd.io/grpc": "unavailable"}, is_grpc=False) is None


def test_the_unified_breaker():
    prefix = "balancer.alpha.linkerd.io/failure-accrual-success-rate-"
    found = settings.accrual(
        {"balancer.linkerd.io/failure-accrual": "unified", f"{prefix}threshold": "0.5"}
    )
    assert found.success_rate == settings.SuccessRate(0.5, 10.0, 5, False)
    assert found.most_failures == 7


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("jitter-ratio", "101"),
        ("min-penalty", "2h"),
        ("max-failures", "many"),
        ("max-penalty", "0"),
    ],
)
def test_an_unsound_breaker_is_left_out(key, value):
    prefix = "balancer.linkerd.io/failure-accrual"
    given = {prefix: "consecutive", f"{prefix}-consecutive-{key}": value}
    assert settings.accrual(given) is None
