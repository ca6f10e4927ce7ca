"""A ServiceProfile written from a browser: judged first, then stored by the caller's own rights."""

import asyncio
import contextlib
import json
import sys
from pathlib import Path

import pytest
import pytest_asyncio

sys.path.insert(0, str(Path(__file__).parent))

from served_dashboard import Served, serving

from tulle.k8s.client import Client
from tulle.k8s.kubeconfig import Access
from tulle.serve import admin, asgi
from tulle.viz.web.http import LONGEST_BODY
from tulle.viz.web.profile_rules import TEMPLATE, judged

NAME = "web.shop.svc.cluster.local"
PATH = "/api/profiles/shop/web"
STORED = "/apis/linkerd.io/v1alpha2/namespaces/shop/serviceprofiles"
GOOD = TEMPLATE.format(name=NAME, namespace="shop")
OWN, AUTHOR, STRANGER = "own-token", "author-token", "stranger-token"


class ApiServer:
    """Profiles of one namespace, and tokens that may write them, only read them, or neither."""

    def __init__(self):
        self.profiles, self.tokens, self.version = {}, [], 1

    async def __call__(self, scope, receive, send):
        headers = dict(scope["headers"])
        token = headers.get(b"authorization", b"").decode().removeprefix("Bearer ")
        self.tokens.append((scope["method"], token))
        body = (await receive()).get("body", b"")
        status, content = self._answer(scope, token, json.loads(body) if body else None)
        await asgi.respond(send, status, json.dumps(content).encode(), "application/json")

    def _answer(self, scope, token, body):
        method, path = scope["method"], scope["path"]
        if token not in (OWN, AUTHOR, STRANGER):
            return 401, {"reason": "Unauthorized", "message": "Unauthorized"}
        if path.endswith("selfsubjectaccessreviews"):
            return 201, {"status": {"allowed": token == AUTHOR}}
        if token == STRANGER or (token == OWN and method != "GET"):
            return 403, {"reason": "Forbidden", "message": f"{token} cannot {method} profiles"}
        name = path.removeprefix(STORED).strip("/")
        if method == "POST":
            name = body["metadata"]["name"]
        elif name not in self.profiles:
            return 404, {"reason": "NotFound", "message": "not found"}
        if method == "GET":
            return 200, self.profiles[name]
        if method == "PUT" and body["metadata"].get("resourceVersion") != str(self.version):
            return 409, {"reason": "Conflict", "message": "the object has been modified"}
        self.version += 1
        body["metadata"]["resourceVersion"] = str(self.version)
        self.profiles[name] = body
        return 201 if method == "POST" else 200, body


@contextlib.asynccontextmanager
async def api_server():
    served, listener, stop = ApiServer(), admin.listen("127.0.0.1:0"), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(asgi.serve(served, listener, stop))
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with Client(Access(address, token=OWN)) as client:
            yield served, client
        stop.set()


@pytest_asyncio.fixture
async def both(tmp_path):
    async with api_server() as (api, client), serving(Served(tmp_path, api=client)) as served:
        yield api, served


async def put(served, text=GOOD, token=AUTHOR, path=PATH, **headers):
    given = {"Authorization": f"Bearer {token}"} if token else {}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    return await served.request("PUT", path, json={"profile": text}, headers=given)


async def test_a_profile_is_made_and_then_changed_with_the_callers_token(both):
    api, served = both
    assert (await served.json(PATH))["exists"] is False
    made = await put(served)
    assert (made.status_code, made.json()["created"]) == (200, True)
    changed = await put(served, GOOD.replace("GET /", "GET /home", 1))
    assert (changed.status_code, changed.json()["created"]) == (200, False)
    assert {token for method, token in api.tokens if method in ("POST", "PUT")} == {AUTHOR}
    found = await served.json(PATH)
    assert found["exists"]
    assert "name: GET /home" in found["profile"]
    assert "resourceVersion" not in found["profile"]
    assert AUTHOR not in json.dumps(found)


async def test_rbac_is_the_callers_and_never_ours(both):
    api, served = both
    nobody = await put(served, token=None)
    assert (nobody.status_code, api.tokens) == (401, [])
    assert "your own token" in nobody.json()["error"]
    assert (await put(served, token="wrong")).status_code == 401
    refused = await put(served, token=STRANGER)
    assert refused.status_code == 403
    assert "stranger-token cannot GET" in refused.json()["error"]
    assert api.profiles == {}


async def test_what_another_wrote_meanwhile_is_not_overwritten(both):
    _, served = both
    await put(served)
    old = GOOD.replace("  namespace: shop", "  namespace: shop\n  resourceVersion: '1'")
    answer = await put(served, old)
    assert answer.status_code == 409
    assert "read it again" in answer.json()["hint"]


async def test_a_profile_with_problems_reaches_nobody_and_each_has_its_line(both):
    api, served = both
    answer = await put(served, GOOD.replace("method: GET", "method: get", 1))
    assert answer.status_code == 422
    problem = answer.json()["problems"][0]
    assert problem["path"] == "spec.routes[0].condition.method"
    assert GOOD.splitlines()[problem["line"] - 1].strip() == "method: GET"
    assert api.tokens == []
    only = await put(served, "a: [", token=None, path=f"{PATH}?validate=true")
    assert only.status_code == 200
    assert "not YAML" in only.json()["problems"][0]["message"]
    good = await put(served, token=None, path=f"{PATH}?validate=true")
    assert good.json() == {"problems": []}


async def test_another_sites_page_writes_nothing(both):
    api, served = both
    assert (await put(served, Origin="https://evil.example")).status_code == 403
    assert (await put(served, Sec_Fetch_Site="cross-site")).status_code == 403
    typed = {"Authorization": f"Bearer {AUTHOR}", "Content-Type": "text/plain"}
    answer = await served.request("PUT", PATH, content=b"{}", headers=typed)
    assert answer.status_code == 415
    assert api.tokens == []


async def test_a_body_that_is_too_long_or_no_json_is_refused(both):
    _, served = both
    assert (await put(served, "x" * (LONGEST_BODY + 1))).status_code == 413
    typed = {"Authorization": f"Bearer {AUTHOR}", "Content-Type": "application/json"}
    for body in (b"", b"[]", b'{"profile": 1}', b"{"):
        answer = await served.request("PUT", PATH, content=body, headers=typed)
        assert answer.status_code == 400


async def test_what_a_token_may_do_is_told_before_it_is_tried(both):
    _, served = both
    path = "/api/can/profiles/shop"
    for token, allowed in ((AUTHOR, True), (STRANGER, False)):
        headers = {"Authorization": f"Bearer {token}"}
        answer = await served.get(path, headers=headers)
        assert answer.json() == {"create": allowed, "update": allowed}
        session = await served.get("/api/session", headers=headers)
        assert session.json()["can"]["editProfiles"] is allowed
    assert (await served.json(path)) == {"create": False, "update": False}


ROUTE = "  routes:\n    - name: a\n      condition: {pathRegex: /a}\n"
HEAD = GOOD.partition("  routes:")[0]


@pytest.mark.parametrize(
    ("spec", "path", "word"),
    [
        ("  routes: 5\n", "spec.routes", "list"),
        ("  routes:\n    - condition: {method: GET}\n", "spec.routes[0].name", "needs a name"),
        ("  routes:\n    - name: a\n", "spec.routes[0]", "no condition"),
        ("  routes:\n    - {name: a, condition: {}}\n", "spec.routes[0].condition", "one of"),
        (ROUTE.replace("/a}", "'('}"), "spec.routes[0].condition.pathRegex", "regular"),
        (ROUTE + ROUTE.partition("\n")[2], "spec.routes[1].name", "another route"),
        (ROUTE + "      timeout: soon\n", "spec.routes[0].timeout", "duration"),
        (ROUTE + "      isRetryable: 'yes'\n", "spec.routes[0].isRetryable", "true or false"),
        (ROUTE + "      retries: 3\n", "spec.routes[0].retries", "no field"),
        (ROUTE + "  retryBudget: {retryRatio: -1}\n", "spec.retryBudget.retryRatio", "negative"),
        (
            ROUTE + "      responseClasses: [{condition: {status: {min: 600}}}]\n",
            "spec.routes[0].responseClasses[0].condition.status",
            "100 to 599",
        ),
        (
            ROUTE + "      responseClasses: [{condition: {status: {min: 500, max: 400}}}]\n",
            "spec.routes[0].responseClasses[0].condition.status",
            "no answer fits",
        ),
    ],
)
def test_a_problem_is_named_by_its_field(spec, path, word):
    _, problems = judged(HEAD + spec, NAME, "shop")
    found = {problem.path: problem for problem in problems}
    assert path in found, problems
    assert word in found[path].message
    assert found[path].line is not None
    assert found[path].line > 6


def test_a_profile_of_another_service_is_refused():
    _, problems = judged(GOOD, "cart.shop.svc.cluster.local", "shop")
    assert [problem.path for problem in problems] == ["metadata.name"]


def test_the_template_is_without_problems():
    assert judged(GOOD, NAME, "shop")[1] == []
