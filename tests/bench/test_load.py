"""What the generators print, read from their own words."""

import pytest

from bench.sidecars import load

WRK = """Running 4s test @ http://10.96.0.10:80/
  1 threads and 32 connections
  Latency Distribution
     50%    1.05ms
     75%  998.00us
     99%    2.50s
  99302 requests in 4.00s, 29.26MB read
  Socket errors: connect 1, read 2, write 0, timeout 3
  Non-2xx or 3xx responses: 4
Requests/sec:  24825.13
"""
H2LOAD = """finished in 4.00s, 25154.25 req/s, 1.20MB/s
requests: 100617 total, 100681 started, 100617 done, 100610 succeeded, 7 failed, 0 errored
status codes: 100610 2xx, 0 3xx, 0 4xx, 2 5xx
"""


def test_wrk_tells_rate_errors_and_latency():
    figures = load.read_wrk(WRK)
    assert (figures["rps"], figures["requests"], figures["errors"]) == (24825.13, 99302, 10)
    assert figures["latency_ms"] == {"p50": 1.05, "p75": 0.998, "p99": 2500.0}


def test_h2load_counts_what_failed_and_what_was_no_success():
    figures = load.read_h2load(H2LOAD)
    assert figures == {"rps": 25154.25, "requests": 100617, "errors": 9}


@pytest.mark.parametrize("read", [load.read_wrk, load.read_h2load])
def test_other_words_are_an_error(read):
    with pytest.raises(load.LoadFailed):
        read("connection refused")
