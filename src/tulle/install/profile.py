"""ServiceProfiles from OpenAPI, from protobuf, or to be filled in by hand. Pure."""

import re
from typing import Any

Json = dict[str, Any]

METHODS = ("delete", "get", "head", "options", "patch", "post", "put")
SERVICE_NAME = re.compile(r"^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$")  # DNS-1035
IDEMPOTENT = ("IDEMPOTENT", "NO_SIDE_EFFECTS")

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
    """The routes of an OpenAPI (Swagger) document, by path and method."""
    if not isinstance(description, dict) or not isinstance(description.get("paths"), dict):
        raise BadDescription("the document has no paths, so it is not OpenAPI")
    base = str(description.get("basePath") or "").rstrip("/")
    routes = []
    for path, operations in sorted(description["paths"].items()):
        for method in METHODS:
            operation = (operations or {}).get(method)
            if operation is not None:
                routes.append(_open_api_route(base + path, method.upper(), operation))
    return routes


def _open_api_route(path: str, method: str, operation: Json) -> Json:
    condition = {"method": method, "pathRegex": path_regex(path)}
    route: Json = {"name": f"{method} {path}", "condition": condition}
    statuses = sorted(int(s) for s in operation.get("responses") or {} if str(s).isdigit())
    if statuses:
        route["responseClasses"] = [
            {
                "condition": {"status": {"min": status, "max": status}},
                **({"isFailure": True} if status >= 500 else {}),
            }
            for status in statuses
        ]
    if operation.get("x-linkerd-retryable"):
        route["isRetryable"] = True
    if operation.get("x-linkerd-timeout"):
        route["timeout"] = str(operation["x-linkerd-timeout"])
    return route


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
