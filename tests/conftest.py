"""A real API server for the tests that need one, and components run against it as in a pod."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml

from tulle.k8s.client import Client, Conflict
from tulle.local.apiserver import ApiServer

SOURCE = Path(__file__).resolve().parent.parent / "src"
RBAC = "rbac.authorization.k8s.io"


def pytest_configure() -> None:
    """What a shell does not wait for has SIGINT ignored, and hands that on to what we start."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """etcd and kube-apiserver for the whole run; tests keep to namespaces of their own."""
    if missing := ApiServer.missing():
        pytest.skip(f"not built: {', '.join(missing)}")
    with ApiServer(tmp_path_factory.mktemp("apiserver")) as server:
        yield server


@pytest_asyncio.fixture
async def api(api_server: ApiServer) -> AsyncIterator[Client]:
    """The administrator's client."""
    async with await Client.from_environment(str(api_server.kubeconfig)) as client:
        yield client


async def make_account(api: Client, namespace: str, name: str) -> None:
    body = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}
    await api.create(f"/api/v1/namespaces/{namespace}/serviceaccounts", body)


async def make_token(api: Client, namespace: str, account: str, *audiences: str) -> str:
    """A real token of a service account, of the TokenRequest API."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
    kind = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}
    found = await api.create(path, {**kind, "spec": {"audiences": list(audiences)}})
    return str(found["status"]["token"])


@pytest.fixture
def account(api: Client) -> Callable[..., Awaitable[str]]:
    """Makes a namespace's service account if need be, and gives a token of it."""

    async def make(namespace: str, name: str, *audiences: str) -> str:
        with contextlib.suppress(Conflict):
            await make_account(api, namespace, name)
        return await make_token(api, namespace, name, *audiences)

    return make


@pytest.fixture
def kubeconfig_of(
    api: Client, api_server: ApiServer, tmp_path: Path
) -> Callable[[str, list[dict[str, Any]]], Awaitable[Path]]:
    """The kubeconfig of a new service account that may do what the rules say, and no more."""

    async def make(name: str, rules: list[dict[str, Any]]) -> Path:
        await make_account(api, "default", name)
        version, metadata = f"{RBAC}/v1", {"name": name}
        role = {"apiVersion": version, "kind": "ClusterRole", "metadata": metadata, "rules": rules}
        binding = {
            "apiVersion": version,
            "kind": "ClusterRoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": "default"}],
        }
        await api.create(f"/apis/{version}/clusterroles", role)
        await api.create(f"/apis/{version}/clusterrolebindings", binding)
        content = yaml.safe_load(api_server.kubeconfig.read_text())
        content["users"][0]["user"] = {"token": await make_token(api, "default", name)}
        path = tmp_path / f"{name}.kubeconfig"
        path.write_text(yaml.safe_dump(content))
        return path

    return make


@dataclass(frozen=True)
class Component:
    """A running component, by the ports that its first log line names."""

    ports: dict[str, int]


@pytest.fixture
def run_component() -> Iterator[Callable[..., Component]]:
    """Runs `python -m MODULE …` until the test ends, then expects it to end well."""
    with contextlib.ExitStack() as running:

        def run(module: str, *arguments: object) -> Component:
            words = [str(word) for word in arguments]
            return running.enter_context(_running([sys.executable, "-m", module, *words]))

        yield run


@contextlib.contextmanager
def _running(command: list[str]) -> Iterator[Component]:
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, env=environment, text=True)
    assert process.stderr is not None
    with process.stderr as lines:
        seen: list[str] = []
        for line in lines:
            seen.append(line)
            if 'msg="serving"' in line:
                break
        else:
            pytest.fail(f"{command} ended with {process.wait()}:\n{''.join(seen)}")
        try:
            yield Component(
                {name: int(port) for name, port in re.findall(r" (\w+)=(\d+)\b", seen[-1])}
            )
        finally:
            process.send_signal(signal.SIGTERM)
            rest = lines.read()
    assert process.wait() == 0, "".join([*seen, rest])
    assert "Traceback" not in rest, rest
