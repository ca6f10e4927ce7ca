"""One event as one line of text, or as one JSON object. Pure."""

import base64
from collections.abc import Mapping
from typing import Any

from tulle.proto import http_types_pb2, tap_pb2
from tulle.viz.tap.addresses import text_of

Json = dict[str, Any]

DIRECTIONS = {tap_pb2.TapEvent.INBOUND: "in ", tap_pb2.TapEvent.OUTBOUND: "out"}
GRPC_CODES = (
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
)


def grpc_name(code: int) -> str:
    return GRPC_CODES[code] if code < len(GRPC_CODES) else f"Code({code})"


def microseconds(duration: Any) -> int:
    return int(duration.seconds) * 1_000_000 + int(duration.nanos) // 1000


def socket_text(address: Any) -> str:
    host = text_of(address.ip)
    return f"[{host}]:{address.port}" if ":" in host else f"{host}:{address.port}"


def method_text(method: Any) -> str:
    if method.WhichOneof("type") == "unregistered":
        return str(method.unregistered)
    return str(http_types_pb2.HttpMethod.Registered.Name(method.registered))


def scheme_text(scheme: Any) -> str:
    if scheme.WhichOneof("type") == "registered":
        return str(http_types_pb2.Scheme.Registered.Name(scheme.registered))
    return str(scheme.unregistered)


def flow(event: Any) -> str:
    """Who sends to whom, and whether the wire between proxy and peer is secured."""
    direction = DIRECTIONS.get(event.proxy_direction, "???")
    is_inbound = event.proxy_direction == tap_pb2.TapEvent.INBOUND
    peer = event.source_meta if is_inbound else event.destination_meta
    return (
        f"proxy={direction} src={socket_text(event.source)} "
        f"dst={socket_text(event.destination)} tls={peer.labels.get('tls', '')}"
    )


def line(event: Any, *, wide: bool = False) -> str:
    found = _narrow(event)
    return f"{found}{_labels(event)}" if wide else found


def _narrow(event: Any) -> str:
    http = event.http
    shown = flow(event)
    match http.WhichOneof("event"):
        case "request_init":
            part = http.request_init
            return (
                f"req id={_id(part)} {shown} :method={method_text(part.method)} "
                f":authority={part.authority} :path={part.path}"
            )
        case "response_init":
            part = http.response_init
            latency = microseconds(part.since_request_init)
            return f"rsp id={_id(part)} {shown} :status={part.http_status} latency={latency}µs"
        case "response_end":
            part = http.response_end
            duration = microseconds(part.since_response_init)
            return (
                f"end id={_id(part)} {shown}{_outcome(part.eos)} duration={duration}µs "
                f"response-length={part.response_bytes}B"
            )
        case _:
            return f"unknown {shown}"


def _id(part: Any) -> str:
    return f"{part.id.base}:{part.id.stream}"


def _outcome(eos: Any) -> str:
    match eos.WhichOneof("end"):
        case "grpc_status_code":
            return f" grpc-status={grpc_name(eos.grpc_status_code)}"
        case "reset_error_code":
            return f" reset-error={eos.reset_error_code}"
        case _:
            return ""


def _labels(event: Any) -> str:
    parts = (
        ("src", event.source_meta.labels),
        ("dst", event.destination_meta.labels),
        ("rt", event.route_meta.labels),
    )
    return "".join(
        f" {prefix}_{key}={labels[key]}" for prefix, labels in parts for key in sorted(labels)
    )


def as_json(event: Any) -> Json:
    found: Json = {
        "source": _endpoint(event.source, event.source_meta.labels),
        "destination": _endpoint(event.destination, event.destination_meta.labels),
        "routeMeta": dict(sorted(event.route_meta.labels.items())),
        "proxyDirection": tap_pb2.TapEvent.ProxyDirection.Name(event.proxy_direction),
    }
    http = event.http
    match http.WhichOneof("event"):
        case "request_init":
            found["requestInitEvent"] = _request_init(http.request_init)
        case "response_init":
            part = http.response_init
            found["responseInitEvent"] = {
                "id": _id_json(part),
                "sinceRequestInit": _duration(part.since_request_init),
                "httpStatus": part.http_status,
                "headers": _headers(part.headers),
            }
        case "response_end":
            found["responseEndEvent"] = _response_end(http.response_end)
    return found


def _endpoint(address: Any, labels: Mapping[str, str]) -> Json:
    metadata = dict(sorted(labels.items()))
    return {"ip": text_of(address.ip), "port": address.port, "metadata": metadata}


def _id_json(part: Any) -> Json:
    return {"base": part.id.base, "stream": part.id.stream}


def _duration(duration: Any) -> Json:
    return {"seconds": int(duration.seconds), "nanos": int(duration.nanos)}


def _headers(headers: Any) -> list[Json]:
    found = []
    for header in headers.headers:
        try:
            found.append({"name": header.name, "valueStr": header.value.decode()})
        except UnicodeDecodeError:
            encoded = base64.b64encode(header.value).decode()
            found.append({"name": header.name, "valueBin": encoded})
    return found


def header_pairs(headers: Any) -> list[tuple[str, str]]:
    """Names and values; a value that is no text is shown in base64."""
    return [
        (header["name"], str(header.get("valueStr", header.get("valueBin", ""))))
        for header in _headers(headers)
    ]


def _request_init(part: Any) -> Json:
    return {
        "id": _id_json(part),
        "method": method_text(part.method),
        "scheme": scheme_text(part.scheme),
        "authority": part.authority,
        "path": part.path,
        "headers": _headers(part.headers),
    }


def _response_end(part: Any) -> Json:
    found: Json = {
        "id": _id_json(part),
        "sinceRequestInit": _duration(part.since_request_init),
        "sinceResponseInit": _duration(part.since_response_init),
        "responseBytes": part.response_bytes,
        "trailers": _headers(part.trailers),
    }
    match part.eos.WhichOneof("end"):
        case "grpc_status_code":
            found["grpcStatusCode"] = part.eos.grpc_status_code
        case "reset_error_code":
            found["resetErrorCode"] = part.eos.reset_error_code
    return found
