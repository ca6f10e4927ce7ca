"""Profiles as messages of the proxy API. Pure."""

from dataclasses import dataclass
from math import modf

from google.protobuf.duration_pb2 import Duration

from tulle.destination.endpoints import Endpoint
from tulle.destination.translate import weighted
from tulle.index.profiles import (
    Condition,
    ProfileRoute,
    ResponseClass,
    RetryBudget,
    ServiceProfile,
)
from tulle.proto import destination_pb2 as pb
from tulle.proto import http_types_pb2 as http_types
from tulle.proto import meta_pb2 as meta


@dataclass(frozen=True, slots=True)
class Override:
    """A share of a Service's traffic that goes elsewhere. `backend`: namespace, name, port."""

    authority: str
    weight: int
    backend: tuple[str, str, int] | None


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    name: str
    service: tuple[str, str, int]
    is_opaque: bool
    overrides: tuple[Override, ...]


def duration(seconds: float) -> Duration:
    part, whole = modf(seconds)
    return Duration(seconds=int(whole), nanos=round(part * 1e9))


def _budget(budget: RetryBudget) -> pb.RetryBudget:
    return pb.RetryBudget(
        retry_ratio=budget.ratio,
        min_retries_per_second=budget.per_second,
        ttl=duration(budget.ttl_seconds),
    )


def service_reference(namespace: str, name: str, port: int) -> meta.Metadata:
    return meta.Metadata(
        resource=meta.Resource(
            group="core", kind="Service", name=name, namespace=namespace, port=port
        )
    )


def empty_profile() -> bytes:
    return bytes(pb.DestinationProfile().SerializeToString())


def endpoint_profile(endpoint: Endpoint | None, is_opaque: bool) -> bytes:
    profile = pb.DestinationProfile(
        retry_budget=_budget(RetryBudget()),
        opaque_protocol=is_opaque,
        endpoint=None if endpoint is None else weighted(endpoint),
    )
    return bytes(profile.SerializeToString(deterministic=True))


def method(name: str) -> http_types.HttpMethod:
    if name in dict(http_types.HttpMethod.Registered.items()):
        return http_types.HttpMethod(registered=http_types.HttpMethod.Registered.Value(name))
    return http_types.HttpMethod(unregistered=name)


def _request(condition: Condition) -> pb.RequestMatch:
    match condition.kind:
        case "path":
            return pb.RequestMatch(path=pb.PathMatch(regex=condition.text))
        case "method":
            return pb.RequestMatch(method=method(condition.text))
        case "not":
            return pb.RequestMatch(**{"not": _request(condition.parts[0])})
    parts = pb.RequestMatch.Seq(matches=[_request(part) for part in condition.parts])
    return pb.RequestMatch(**{condition.kind: parts})


def _response(condition: Condition) -> pb.ResponseMatch:
    match condition.kind:
        case "status":
            low, high = condition.statuses
            return pb.ResponseMatch(status=pb.HttpStatusRange(min=low, max=high))
        case "not":
            return pb.ResponseMatch(**{"not": _response(condition.parts[0])})
    parts = pb.ResponseMatch.Seq(matches=[_response(part) for part in condition.parts])
    return pb.ResponseMatch(**{condition.kind: parts})


def _class(item: ResponseClass) -> pb.ResponseClass:
    return pb.ResponseClass(condition=_response(item.condition), is_failure=item.is_failure)


def _route(route: ProfileRoute) -> pb.Route:
    seconds = route.timeout_seconds
    return pb.Route(
        condition=_request(route.condition),
        response_classes=[_class(item) for item in route.responses],
        metrics_labels={"route": route.name},
        is_retryable=route.is_retryable,
        timeout=None if seconds is None else duration(seconds),
    )


def _override(override: Override) -> pb.WeightedDst:
    reference = None if override.backend is None else service_reference(*override.backend)
    return pb.WeightedDst(
        authority=override.authority, weight=override.weight, backend_ref=reference
    )


def _profile_reference(profile: ServiceProfile) -> meta.Metadata:
    return meta.Metadata(
        resource=meta.Resource(
            group="linkerd.io",
            kind="ServiceProfile",
            name=profile.name,
            namespace=profile.namespace,
        )
    )


def service_profile(facts: ServiceFacts, profile: ServiceProfile | None) -> bytes:
    budget = RetryBudget() if profile is None else profile.budget
    message = pb.DestinationProfile(
        fully_qualified_name=facts.name,
        opaque_protocol=facts.is_opaque,
        routes=[] if profile is None else [_route(route) for route in profile.routes],
        retry_budget=_budget(budget),
        dst_overrides=[_override(override) for override in facts.overrides],
        parent_ref=service_reference(*facts.service),
        profile_ref=None if profile is None else _profile_reference(profile),
    )
    return bytes(message.SerializeToString(deterministic=True))
