"""What the API server asks of an API server: groups, versions, resources and health. Pure."""

from tulle import names
from tulle.k8s.client import Json
from tulle.viz.tap.target import KINDS

GROUP_VERSION = f"{names.TAP_GROUP}/{names.TAP_VERSION}"
GROUP_PATH = f"/apis/{names.TAP_GROUP}"
VERSION_PATH = f"/apis/{GROUP_VERSION}"
HEALTH_PATHS = ("/healthz", "/healthz/log", "/healthz/ping", "/livez", "/readyz")


def _group() -> Json:
    version = {"groupVersion": GROUP_VERSION, "version": names.TAP_VERSION}
    return {"name": names.TAP_GROUP, "versions": [version], "preferredVersion": version}


def _resources() -> list[Json]:
    return [
        {
            "name": name,
            "singularName": "",
            "namespaced": plural != "namespaces",
            "kind": "Tap",
            "verbs": ["watch"],
        }
        for plural in sorted(KINDS)
        for name in (plural, f"{plural}/tap")
    ]


def document(path: str) -> Json | None:
    """The answer to a GET; None where nothing is."""
    match path.rstrip("/"):
        case "":
            return {"paths": ["/apis", GROUP_PATH, VERSION_PATH, *HEALTH_PATHS, "/version"]}
        case "/apis":
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group()]}
        case found if found == GROUP_PATH:
            return {"kind": "APIGroup", "apiVersion": "v1", **_group()}
        case found if found == VERSION_PATH:
            return {
                "kind": "APIResourceList",
                "apiVersion": "v1",
                "groupVersion": GROUP_VERSION,
                "resources": _resources(),
            }
        case "/version":
            return {"gitVersion": f"v{names.VERSION}"}
        case "/openapi/v2":
            info = {"title": names.TAP_GROUP, "version": names.TAP_VERSION}
            return {"swagger": "2.0", "info": info, "paths": {}}
        case _:
            return None
