"""Mistakes are told: a policy that no proxy could follow."""

import json

from cluster import Cluster


def server(namespace: str, name: str, **spec: object) -> str:
    body = {
        "apiVersion": "policy.linkerd.io/v1beta3",
        "kind": "Server",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"podSelector": {"matchLabels": {"app": "web"}}, "port": 80, **spec},
    }
    return json.dumps(body)


def test_a_policy_that_cannot_be_followed_is_refused_in_words(mesh: Cluster) -> None:
    namespace = mesh.namespace("mistakes", meshed=False)
    apply = ("kubectl", "apply", "-f", "-")
    bad = mesh.run(*apply, stdin=server(namespace, "web", accessPolicy="open"), check=False)
    assert bad.code == 1
    assert "Server mistakes/web: accessPolicy 'open' is none of all-unauthenticated" in bad.err
    mesh.run(*apply, stdin=server(namespace, "web"))

    def twin_is_refused() -> bool:
        """Discovery hears of the first one a moment later."""
        answered = mesh.run(*apply, stdin=server(namespace, "twin"), check=False)
        if answered.code == 0:
            mesh.kubectl("-n", namespace, "delete", "server", "twin")
        return "the Server web has port 80 of the same pods already" in answered.err

    mesh.until(twin_is_refused, "a second Server for the same port is refused")
