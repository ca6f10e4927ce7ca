"""Status: which pods wait for an image, and which addresses Services have."""

from typing import Any

from tulle.local.status import Missing, addressed, waiting


def pod(kind: str, state: dict[str, Any]) -> dict[str, Any]:
    status = {"image": "docker.io/tulle/x:1", "state": state}
    return {"metadata": {"namespace": "n", "name": "p"}, "status": {kind: [status]}}


def test_a_pod_whose_image_is_absent_is_named() -> None:
    waits = pod("initContainerStatuses", {"waiting": {"reason": "ErrImagePull"}})
    runs = pod("containerStatuses", {"running": {}})
    starts = pod("containerStatuses", {"waiting": {"reason": "ContainerCreating"}})
    assert waiting([waits, runs, starts]) == [Missing("n", "p", "docker.io/tulle/x:1")]


def test_load_balancers_are_shown_with_their_address() -> None:
    meta = {"namespace": "n", "name": "s"}
    given = {"loadBalancer": {"ingress": [{"ip": "10.9.0.1"}]}}
    services: list[dict[str, Any]] = [
        {"metadata": meta, "spec": {"type": "LoadBalancer"}, "status": given},
        {"metadata": meta, "spec": {"type": "LoadBalancer"}, "status": {"loadBalancer": {}}},
        {"metadata": meta, "spec": {"type": "ClusterIP"}, "status": {}},
    ]
    assert addressed(services) == ["n/s 10.9.0.1", "n/s (none yet)"]
