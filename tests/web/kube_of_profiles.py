"""As much of an API server as ServiceProfiles need, on a real port: it obeys one token."""

import json

from tulle.serve.asgi import respond

TOKEN = "of-the-user"
PREFIX = "/apis/linkerd.io/v1alpha2/namespaces/shop/serviceprofiles"
JSON = "application/json"


class Kube:
    def __init__(self):
        self.profiles = {}

    async def __call__(self, scope, receive, send):
        path, method = scope["path"], scope["method"]
        if method in ("POST", "PUT") and path.startswith(PREFIX):
            body = json.loads((await receive())["body"])
            await self._write(scope, body, send)
        elif method == "POST":  # an access review of the dashboard's own account
            await respond(send, 201, b'{"status": {"allowed": true}}', JSON)
        elif found := self.profiles.get(path.removeprefix(f"{PREFIX}/")):
            await respond(send, 200, json.dumps(found).encode(), JSON)
        else:
            await respond(send, 404, status(404, "NotFound", "not found"), JSON)

    async def _write(self, scope, body, send):
        if dict(scope["headers"]).get(b"authorization") != f"Bearer {TOKEN}".encode():
            said = "serviceprofiles.linkerd.io is forbidden: User cannot create it in shop"
            await respond(send, 403, status(403, "Forbidden", said), JSON)
            return
        body["metadata"]["resourceVersion"] = "1"
        self.profiles[body["metadata"]["name"]] = body
        await respond(send, 201, json.dumps(body).encode(), JSON)


def status(code, reason, message):
    found = {"kind": "Status", "code": code, "reason": reason, "message": message}
    return json.dumps(found).encode()
