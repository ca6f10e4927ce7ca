"""As much of an API server as one HTTPRoute needs, on a real port: it obeys one token."""

import copy
import json
from urllib.parse import parse_qs

from kube_of_profiles import JSON, TOKEN, status

from tulle.serve.asgi import respond

ROUTES = "/apis/gateway.networking.k8s.io/v1"
ROUTE = {
    "metadata": {
        "namespace": "shop",
        "name": "rollout",
        "generation": 1,
        "resourceVersion": "1",
    },
    "spec": {
        "parentRefs": [{"group": "", "kind": "Service", "name": "web"}],
        "rules": [
            {
                "backendRefs": [
                    {"name": "web-v1", "port": 80, "weight": 90},
                    {"name": "web-v2", "port": 80, "weight": 10},
                ]
            }
        ],
    },
}
REFUSAL = (
    'httproutes.gateway.networking.k8s.io "rollout" is forbidden: User "someone" cannot patch '
    'resource "httproutes" in API group "gateway.networking.k8s.io" in the namespace "shop"'
)


class Kube:
    def __init__(self):
        self.route = copy.deepcopy(ROUTE)

    @property
    def weights(self):
        return [ref["weight"] for ref in self.route["spec"]["rules"][0]["backendRefs"]]

    def changed(self, *weights):
        """By somebody else."""
        self._set(self.route, weights)

    def _set(self, route, weights):
        for ref, weight in zip(route["spec"]["rules"][0]["backendRefs"], weights, strict=True):
            ref["weight"] = weight
        metadata = route["metadata"]
        metadata["generation"] += 1
        metadata["resourceVersion"] = str(metadata["generation"])

    async def __call__(self, scope, receive, send):
        path, method = scope["path"], scope["method"]
        if method == "PATCH":
            patch = json.loads((await receive())["body"])
            await self._patch(scope, patch, send)
        elif method == "POST":  # an access review of the dashboard's own account
            await respond(send, 201, b'{"status": {"allowed": true}}', JSON)
        elif path.startswith(ROUTES) and path.endswith("/httproutes"):
            found = {"metadata": {}, "items": [self.route]}
            await respond(send, 200, json.dumps(found).encode(), JSON)
        else:
            await respond(send, 404, status(404, "NotFound", "not found"), JSON)

    async def _patch(self, scope, patch, send):
        if dict(scope["headers"]).get(b"authorization") != f"Bearer {TOKEN}".encode():
            await respond(send, 403, status(403, "Forbidden", REFUSAL), JSON)
            return
        is_trial = "dryRun" in parse_qs(scope["query_string"].decode())
        route = copy.deepcopy(self.route) if is_trial else self.route
        self._set(route, [step["value"] for step in patch if step["path"].endswith("/weight")])
        await respond(send, 200, json.dumps(route).encode(), JSON)
