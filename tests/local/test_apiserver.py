"""The API server alone: up, answers by its kubeconfig, leaves no process."""

from pathlib import Path

import pytest

from tulle.local.api import Api, ApiFailed
from tulle.local.apiserver import ApiServer

pytestmark = [
    pytest.mark.apiserver,
    pytest.mark.skipif(bool(ApiServer.missing()), reason="etcd or kube-apiserver is not built"),
]


def test_an_object_that_is_applied_can_be_read(tmp_path: Path) -> None:
    with ApiServer(tmp_path) as server, Api(server.kubeconfig) as api:
        meta = {"name": "a", "namespace": "default"}
        api.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"k": "v"}})
        found = api.get("/api/v1/namespaces/default/configmaps/a")
    assert found["data"] == {"k": "v"}


def test_it_is_gone_after_the_with(tmp_path: Path) -> None:
    with ApiServer(tmp_path) as server:
        pass
    with Api(server.kubeconfig) as api, pytest.raises(ApiFailed) as failure:
        api.get("/version")
    assert failure.value.status == 0
