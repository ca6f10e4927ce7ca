"""A namespace per test, and discovery as its own process."""

import itertools
import sys
from pathlib import Path

import pytest_asyncio

from tulle.k8s.client import Client

sys.path.insert(0, str(Path(__file__).resolve().parent))

from discovery import Cluster, running

_numbers = itertools.count(1)


@pytest_asyncio.fixture
async def cluster(api_server):
    async with await Client.from_environment(str(api_server.kubeconfig)) as client:
        name = f"wire-{next(_numbers)}"
        await client.create("/api/v1/namespaces", {"metadata": {"name": name}})
        accounts = f"/api/v1/namespaces/{name}/serviceaccounts"
        await client.create(accounts, {"metadata": {"name": "web"}})
        yield Cluster(client, name)


@pytest_asyncio.fixture
async def discovery(api_server):
    async with running(api_server.kubeconfig) as found:
        yield found
