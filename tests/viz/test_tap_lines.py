"""The words of one tap event, as they are read by people and by scripts."""

from typing import Any

from google.protobuf.json_format import ParseDict

from tulle.proto import tap_pb2
from tulle.viz.tap.lines import as_json, line

INBOUND = {
    "source": {"ip": {"ipv4": 0x0A2A0001}, "port": 5000},
    "sourceMeta": {"labels": {"tls": "true", "deployment": "ui"}},
    "destination": {"ip": {"ipv4": 0x0A2A0002}, "port": 8080},
    "destinationMeta": {"labels": {"pod": "web-1"}},
    "routeMeta": {"labels": {"name": "get"}},
    "proxyDirection": "INBOUND",
}
ID = {"base": 3, "stream": 1}


def event(http: dict[str, Any], **changes: Any) -> Any:
    return ParseDict({**INBOUND, **changes, "http": http}, tap_pb2.TapEvent())


REQUEST = {
    "requestInit": {
        "id": ID,
        "method": {"registered": "GET"},
        "scheme": {"registered": "HTTP"},
        "authority": "web.shop:8080",
        "path": "/todos",
        "headers": {"headers": [{"name": "x-a", "value": "aGk="}]},
    }
}
FLOW = "src=10.42.0.1:5000 dst=10.42.0.2:8080"


def test_a_request():
    assert line(event(REQUEST)) == (
        f"req id=3:1 proxy=in  {FLOW} tls=true :method=GET :authority=web.shop:8080 :path=/todos"
    )


def test_wide_appends_the_labels_of_both_ends_in_order():
    assert line(event(REQUEST), wide=True).endswith(
        ":path=/todos src_deployment=ui src_tls=true dst_pod=web-1 rt_name=get"
    )


def test_a_response():
    http = {"responseInit": {"id": ID, "sinceRequestInit": "0.001500s", "httpStatus": 200}}
    found = event(
        http,
        proxyDirection="OUTBOUND",
        destinationMeta={"labels": {"tls": "no_identity"}},
    )
    expected = f"rsp id=3:1 proxy=out {FLOW} tls=no_identity :status=200 latency=1500µs"
    assert line(found) == expected


def test_the_end_of_http_grpc_and_a_reset():
    end = {"id": ID, "sinceResponseInit": "1.000002s", "responseBytes": 42}
    tail = "duration=1000002µs response-length=42B"
    head = f"end id=3:1 proxy=in  {FLOW} tls=true"
    assert line(event({"responseEnd": end})) == f"{head} {tail}"
    grpc = event({"responseEnd": {**end, "eos": {"grpcStatusCode": 14}}})
    assert line(grpc) == f"{head} grpc-status=Unavailable {tail}"
    reset = event({"responseEnd": {**end, "eos": {"resetErrorCode": 8}}})
    assert line(reset) == f"{head} reset-error=8 {tail}"


def test_addresses_of_the_sixth_version_stand_in_brackets():
    address = {"ip": {"ipv6": {"first": "18338657682652659712", "last": "1"}}, "port": 80}
    assert "src=[fe80::1]:80" in line(event(REQUEST, source=address))


def test_an_event_of_no_known_kind():
    assert line(event({}, proxyDirection="UNKNOWN")).startswith(f"unknown proxy=??? {FLOW}")


def test_json_has_headers_and_the_labels_of_both_ends():
    found = as_json(event(REQUEST))
    assert found["source"] == {
        "ip": "10.42.0.1",
        "port": 5000,
        "metadata": {"deployment": "ui", "tls": "true"},
    }
    assert found["proxyDirection"] == "INBOUND"
    assert found["requestInitEvent"] == {
        "id": ID,
        "method": "GET",
        "scheme": "HTTP",
        "authority": "web.shop:8080",
        "path": "/todos",
        "headers": [{"name": "x-a", "valueStr": "hi"}],
    }


def test_a_header_that_is_no_text_is_base64():
    headers = {"headers": [{"name": "x-bin", "value": "//8="}]}
    http = {"responseInit": {"id": ID, "httpStatus": 200, "headers": headers}}
    found = as_json(event(http))["responseInitEvent"]
    assert found["headers"] == [{"name": "x-bin", "valueBin": "//8="}]
