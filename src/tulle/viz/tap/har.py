"""Tapped requests as an HTTP Archive (HAR 1.2), which browsers and HTTP tools open. Pure.

Proxies tell no wall-clock time, so a request starts when its first event is read. Bodies are never
tapped, only their length is; custom fields start with an underscore, as the format asks.
"""

import datetime
from collections import OrderedDict
from typing import Any

from tulle import names
from tulle.proto import tap_pb2
from tulle.viz.tap.addresses import text_of
from tulle.viz.tap.lines import header_pairs, method_text, microseconds, scheme_text, socket_text

Json = dict[str, Any]
RequestKey = tuple[int, str, str, int, int]

MAX_OPEN = 10_000  # requests whose end has not come; the oldest are given up
UNKNOWN = -1  # what the format says of a size that nobody knows


class Archive:
    """Keeps every request that began and ended while it listened."""

    def __init__(self) -> None:
        self.entries: list[Json] = []
        self._open: OrderedDict[RequestKey, Json] = OrderedDict()

    @property
    def unfinished(self) -> int:
        return len(self._open)

    def add(self, event: Any, now: datetime.datetime) -> None:
        kind = event.http.WhichOneof("event")
        if kind is None:
            return
        part = getattr(event.http, kind)
        ends = socket_text(event.source), socket_text(event.destination)
        key = (event.proxy_direction, *ends, part.id.base, part.id.stream)
        if kind == "request_init":
            self._open[key] = _begun(event, part, now)
            if len(self._open) > MAX_OPEN:
                self._open.popitem(last=False)
        elif kind == "response_init":
            if entry := self._open.get(key):
                _answered(entry, part)
        elif entry := self._open.pop(key, None):
            _ended(entry, part)
            self.entries.append(entry)

    def document(self) -> Json:
        creator = {"name": names.PROGRAM, "version": names.VERSION}
        entries = sorted(self.entries, key=lambda entry: str(entry["startedDateTime"]))
        return {"log": {"version": "1.2", "creator": creator, "entries": entries}}


def _begun(event: Any, part: Any, now: datetime.datetime) -> Json:
    headers = header_pairs(part.headers)
    version = _version(headers)
    is_inbound = event.proxy_direction == tap_pb2.TapEvent.INBOUND
    peer = event.source_meta if is_inbound else event.destination_meta
    return {
        "startedDateTime": now.isoformat(timespec="milliseconds"),
        "time": 0.0,
        "request": {
            "method": method_text(part.method),
            "url": f"{scheme_text(part.scheme).lower() or 'http'}://{part.authority}{part.path}",
            "httpVersion": version,
            "cookies": [],
            "headers": _listed(headers),
            "queryString": [],
            "headersSize": UNKNOWN,
            "bodySize": UNKNOWN,
        },
        "response": _response(0, version, []),
        "cache": {},
        "timings": {"send": 0.0, "wait": 0.0, "receive": 0.0},
        "serverIPAddress": text_of(event.destination.ip),
        "_proxy": "inbound" if is_inbound else "outbound",
        "_tls": peer.labels.get("tls", ""),
        "_source": _end(event.source, event.source_meta),
        "_destination": _end(event.destination, event.destination_meta),
    }


def _end(address: Any, meta: Any) -> Json:
    return {"address": socket_text(address), "labels": dict(sorted(meta.labels.items()))}


def _version(headers: list[tuple[str, str]]) -> str:
    """Pseudo-headers are those of HTTP/2; without any, the proxy saw HTTP/1."""
    return "HTTP/2" if any(name.startswith(":") for name, _ in headers) else "HTTP/1.1"


def _listed(headers: list[tuple[str, str]]) -> list[Json]:
    return [{"name": name, "value": value} for name, value in headers]


def _response(status: int, version: str, headers: list[tuple[str, str]]) -> Json:
    by_name = {name.lower(): value for name, value in headers}
    return {
        "status": status,
        "statusText": "",
        "httpVersion": version,
        "cookies": [],
        "headers": _listed(headers),
        "content": {"size": 0, "mimeType": by_name.get("content-type", "")},
        "redirectURL": by_name.get("location", ""),
        "headersSize": UNKNOWN,
        "bodySize": UNKNOWN,
    }


def _answered(entry: Json, part: Any) -> None:
    version = entry["request"]["httpVersion"]
    entry["response"] = _response(part.http_status, version, header_pairs(part.headers))
    entry["timings"]["wait"] = microseconds(part.since_request_init) / 1000


def _ended(entry: Json, part: Any) -> None:
    total = microseconds(part.since_request_init) / 1000
    timings, response = entry["timings"], entry["response"]
    if response["status"] == 0:  # it ended without an answer
        timings["wait"] = total
    timings["receive"] = max(0.0, total - timings["wait"])
    entry["time"] = timings["send"] + timings["wait"] + timings["receive"]
    response["bodySize"] = response["content"]["size"] = int(part.response_bytes)
    match part.eos.WhichOneof("end"):
        case "grpc_status_code":
            entry["_grpcStatus"] = part.eos.grpc_status_code
        case "reset_error_code":
            entry["_error"] = f"reset: {part.eos.reset_error_code}"
