"""A pod, and the settings of an install, for every test to vary."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tulle.injector.settings import Settings

POD: dict[str, Any] = {
    "metadata": {"name": "web-1", "labels": {"app": "web"}},
    "spec": {
        "serviceAccountName": "web",
        "containers": [
            {
                "name": "app",
                "image": "shop/web:1",
                "ports": [{"containerPort": 8080, "name": "http"}],
                "readinessProbe": {"httpGet": {"path": "/", "port": 9000}},
            }
        ],
    },
}


@pytest.fixture
def settings() -> Settings:
    return Settings(trust_anchors_pem="-----BEGIN CERTIFICATE-----\n", version="1.2.3")


@pytest.fixture
def pod() -> dict[str, Any]:
    return copy.deepcopy(POD)


@pytest.fixture
def annotated(pod) -> Callable[..., dict[str, Any]]:
    """The pod with annotations; `_` stands for `config.linkerd.io/`."""

    def make(annotations: dict[str, str]) -> dict[str, Any]:
        full = {
            (f"config.linkerd.io/{key[1:]}" if key.startswith("_") else key): value
            for key, value in annotations.items()
        }
        found = copy.deepcopy(pod)
        found["metadata"]["annotations"] = full
        return found

    return make
