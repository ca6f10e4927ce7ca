"""Discovery with the rights that the installation gives it, and no more."""

import pytest
from discovery import running

from tulle.install.rbac import DESTINATION_RULES

pytestmark = pytest.mark.apiserver


async def test_the_installations_rights_suffice(cluster, kubeconfig_of, capfd):
    kubeconfig = await kubeconfig_of("discovery-rights", DESTINATION_RULES)
    await cluster.service("web", [{"name": "http", "port": 80}])
    async with running(kubeconfig) as discovery:
        stream = discovery.get(f"web.{cluster.namespace}.svc.cluster.local:80")
        assert (await stream.next()).no_endpoints.exists
    assert "cannot watch" not in capfd.readouterr().err
