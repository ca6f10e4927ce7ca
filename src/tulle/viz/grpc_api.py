"""The gRPC interface of metrics-api: each call is a question of the HTTP interface.

Both have one computation: a call's request becomes the parameters of the same question, and the
answer's JSON becomes the message, whose fields have the same names.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from google.protobuf import json_format

from tulle.proto import viz_pb2
from tulle.serve.grpc import InvalidArgument, Unary, Unavailable, service
from tulle.viz.api import Api, Params, Refusal

Text = dict[str, str]

SERVICE = "tulle.viz.Api"


def handler(api: Api) -> Any:
    methods = (
        ("StatSummary", "/api/stat", viz_pb2.StatSummaryRequest, viz_pb2.StatSummaryResponse),
        ("Edges", "/api/edges", viz_pb2.EdgesRequest, viz_pb2.EdgesResponse),
        ("TopRoutes", "/api/routes", viz_pb2.TopRoutesRequest, viz_pb2.TopRoutesResponse),
        ("Authz", "/api/authz", viz_pb2.AuthzRequest, viz_pb2.AuthzResponse),
        ("ListPods", "/api/pods", viz_pb2.ListPodsRequest, viz_pb2.ListPodsResponse),
        ("ListServices", "/api/services", viz_pb2.ListServicesRequest,
         viz_pb2.ListServicesResponse),
        ("SelfCheck", "/api/selfcheck", viz_pb2.SelfCheckRequest, viz_pb2.SelfCheckResponse),
    )  # fmt: skip
    return service(
        SERVICE,
        *(
            Unary(name, request, _asking(api, path, answer))
            for name, path, request, answer in methods
        ),
    )


def _asking(api: Api, path: str, message: Any) -> Callable[[Any], Awaitable[bytes]]:
    async def answer(request: Any) -> bytes:
        try:
            content = await api.ask(path, parameters(request))
        except Refusal as refusal:
            kind = InvalidArgument if refusal.is_of_the_question else Unavailable
            raise kind(str(refusal)) from refusal
        # What only the dashboard asks for has no field.
        found = json_format.ParseDict(content, message(), ignore_unknown_fields=True)
        encoded: bytes = found.SerializeToString()
        return encoded

    return answer


# Where a message's field has another name than the parameter. A resource's own fields follow.
PREFIXES = {"resource": "", "to_resource": "to_", "from_resource": "from_"}
PARAMETERS = {"label_selector": "selector", "time_window": "window"}


def parameters(request: Any) -> Params:
    """Those of the fields that are set, as a query string would give them."""
    found: Text = {}
    for field, value in request.ListFields():
        if field.name in PREFIXES:
            prefix = PREFIXES[field.name]
            found |= {f"{prefix}{inner.name}": text for inner, text in value.ListFields()}
        else:
            found[PARAMETERS.get(field.name, field.name)] = value
    return {name: [text] for name, text in found.items()}
