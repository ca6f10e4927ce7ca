"""ServiceProfiles from OpenAPI, protobuf or seen requests, or to be filled in by hand. Pure."""

import re
from collections.abc import Iterable
from typing import Any

Json = dict[str, Any]

METHODS = ("delete", "get", "head", "options", "patch", "post", "put")
SERVICE_NAME = re.compile(r"^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$")  # DNS-1035
IDEMPOTENT = ("IDEMPOTENT", "NO_SIDE_EFFECTS")
IDENTIFIER = re.compile(r"[0-9]+|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

COMMENT = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/', re.S)
TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|[A-Za-z_][\w.]*|[{};()=\[\]]|\S')


class BadDescription(Exception):
    """A description that no profile can be made from; the message is for the user."""


def service_profile(service: str, namespace: str, domain: str, routes: list[Json]) -> Json:
    if not SERVICE_NAME.match(service):
        raise BadDescription(f"{service!r} is not the name of a Service")
    if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", namespace):
        raise BadDescription(f"{namespace!r} is not the name of a namespace")
    return {
        "apiVersion": "linkerd.io/v1alpha2",
        "kind": "ServiceProfile",
        "metadata": {"name": f"{service}.{namespace}.svc.{domain}", "namespace": namespace},
        "spec": {"routes": routes},
    }


def path_regex(path: str) -> str:
    """A path of OpenAPI: `{id}` stands for one segment."""
    parts = re.split(r"\{[^}]*\}", path)
    return "[^/]*".join(re.escape(part).replace("\\-", "-") for part in parts)


def open_api_routes(description: Any) -> list[Json]:
    """The routes of an OpenAPI document (2, also called Swagger, or 3), by path and method."""
    if not isinstance(description, dict) or not isinstance(description.get("paths"), dict):
        raise BadDescription("the document has no paths, so it is not OpenAPI")
    base = _base_path(description)
    routes = []
    for path, item in sorted(description["paths"].items()):
        operations = _resolved(description, item)
        for method in METHODS:
            operation = operations.get(method)
            if isinstance(operation, dict):
                routes.append(_open_api_route(base + path, method.upper(), operation))
    return routes


def _base_path(description: Json) -> str:
    """What stands before all paths: a word of version 2; in 3 a part of the first server's URL."""
    if "basePath" in description:
        return str(description["basePath"] or "").rstrip("/")
    servers = description.get("servers")
    if not (isinstance(servers, list) and servers and isinstance(servers[0], dict)):
        return ""
    url = str(servers[0].get("url") or "")
    _, has_host, rest = url.partition("://")
    return (f"/{rest.partition('/')[2]}" if has_host else url).rstrip("/")


def _resolved(description: Json, item: Any) -> Json:
    """A path's operations, which may stand elsewhere in the document."""
    if not isinstance(item, dict):
        return {}
    reference = str(item.get("$ref") or "")
    if not reference.startswith("#/"):
        return item
    found: Any = description
    for part in reference[2:].split("/"):
        key = part.replace("~1", "/").replace("~0", "~")
        found = found.get(key) if isinstance(found, dict) else None
    return {**found, **item} if isinstance(found, dict) else item


def _open_api_route(path: str, method: str, operation: Json) -> Json:
    condition = {"method": method, "pathRegex": path_regex(path)}
    route: Json = {"name": f"{method} {path}", "condition": condition}
    statuses = sorted(filter(None, map(_statuses, operation.get("responses") or {})))
    if statuses:
        route["responseClasses"] = [
            {
                "condition": {"status": {"min": first, "max": last}},
                **({"isFailure": True} if first >= 500 else {}),
            }
            for first, last in statuses
        ]
    if operation.get("x-linkerd-retryable"):
        route["isRetryable"] = True
    if operation.get("x-linkerd-timeout"):
        route["timeout"] = str(operation["x-linkerd-timeout"])
    return route


def _statuses(word: Any) -> tuple[int, int] | None:
    """200, or the 2XX of version 3; None for `default` and extensions."""
    text = str(word)
    if re.fullmatch(r"[1-5][0-9]{2}", text):
        return int(text), int(text)
    if re.fullmatch(r"[1-5][Xx]{2}", text):
        return int(text[0]) * 100, int(text[0]) * 100 + 99
    return None


def seen_route(method: str, path: str) -> tuple[str, str]:
    """Method and path of the route that a request stands for: numbers and UUIDs are parameters."""
    parts = ("{id}" if IDENTIFIER.fullmatch(part) else part for part in path.split("/"))
    return method, "/".join(parts)


def seen_routes(seen: Iterable[tuple[str, str]]) -> list[Json]:
    """A route for each method and path, as `seen_route` gives them."""
    return [
        {"name": f"{method} {path}", "condition": {"method": method, "pathRegex": path_regex(path)}}
        for method, path in sorted(set(seen), key=lambda item: (item[1], item[0]))
    ]


def protobuf_routes(text: str) -> list[Json]:
    """A route for each rpc of each service in a .proto file."""
    bare = COMMENT.sub(lambda found: found[0] if found[0].startswith('"') else " ", text)
    tokens = TOKEN.findall(bare)
    package, service, routes = "", "", []
    depth, service_depth = 0, -1
    for at, token in enumerate(tokens):
        following = tokens[at + 1] if at + 1 < len(tokens) else ""
        if token == "package" and depth == 0:
            package = f"{following}."
        elif token == "service" and depth == 0:
            service, service_depth = following, depth + 1
        elif token == "rpc" and service and depth == service_depth:
            routes.append(_rpc_route(f"/{package}{service}/{following}", following, tokens[at:]))
        depth += {"{": 1, "}": -1}.get(token, 0)
        if token == "}" and depth < service_depth:
            service, service_depth = "", -1
    if not routes:
        raise BadDescription("the file has no service with an rpc, so there are no routes in it")
    return routes


def _rpc_route(path: str, name: str, tokens: list[str]) -> Json:
    condition = {"method": "POST", "pathRegex": re.escape(path).replace("\\-", "-")}
    route: Json = {"name": name, "condition": condition}
    if _idempotency(tokens) in IDEMPOTENT:
        route["isRetryable"] = True
    return route


def _idempotency(tokens: list[str]) -> str:
    """The option idempotency_level in the body of the rpc that the tokens start with."""
    depth = 0
    for at, token in enumerate(tokens):
        if token == ";" and depth == 0:
            return ""
        depth += {"{": 1, "}": -1}.get(token, 0)
        if token == "}" and depth == 0:
            return ""
        if token == "idempotency_level" and tokens[at + 1 : at + 2] == ["="]:
            return tokens[at + 2]
    return ""


TEMPLATE = """\
# A ServiceProfile names the routes of a service. Requests take the first route that fits.
apiVersion: linkerd.io/v1alpha2
kind: ServiceProfile
metadata:
  name: {service}.{namespace}.svc.{domain}
  namespace: {namespace}
spec:
  routes:
    - name: GET /authors/{{id}}
      condition:
        method: GET
        pathRegex: /authors/[^/]*
      # Which answers count as failures; without this, status 500 and above.
      responseClasses:
        - condition:
            status: {{min: 500, max: 599}}
          isFailure: true
      # Only for requests that may be sent twice.
      isRetryable: true
      timeout: 300ms
  # At most so many retries for each request, and so many in any case.
  retryBudget:
    retryRatio: 0.2
    minRetriesPerSecond: 10
    ttl: 10s
"""
