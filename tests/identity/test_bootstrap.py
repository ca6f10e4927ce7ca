"""The real proxy, started with the environment that the injector writes, gets its certificate."""

import asyncio
import os
import re
import socket
from pathlib import Path

import pytest

from tulle.injector.settings import Settings
from tulle.injector.sidecar import inject

TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or Path(__file__).parents[2] / "target") / "debug"
INIT, PROXY = TARGET / "tulle-init", TARGET / "tulle-proxy"

pytestmark = [
    pytest.mark.apiserver,
    pytest.mark.skipif(
        not (INIT.exists() and PROXY.exists()), reason=f"`cargo build` has not made {PROXY}"
    ),
]


def free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [item.getsockname()[1] for item in held]
    for item in held:
        item.close()
    return ports


def environment(pod: dict, fields: dict[str, str]) -> dict[str, str]:
    """The proxy's variables as the kubelet would make them."""
    found: dict[str, str] = {}
    for item in pod["spec"]["initContainers"][1]["env"]:
        value = item.get("value")
        if value is None:
            value = fields[item["valueFrom"]["fieldRef"]["fieldPath"]]
        found[item["name"]] = re.sub(r"\$\((\w+)\)", lambda match: found[match[1]], value)
    return found


async def test_a_proxy_is_certified_and_ready(component, account, tmp_path) -> None:
    running, root, _ = component
    admin, inbound, outbound, control = free_ports(4)
    settings = Settings(
        trust_anchors_pem=root.pem.decode(),
        admin_port=admin,
        inbound_port=inbound,
        outbound_port=outbound,
        control_port=control,
    )
    enabled = {"linkerd.io/inject": "enabled"}
    pod = {"spec": {"containers": [{"name": "app", "ports": [{"containerPort": 8080}]}]}}
    found = inject(pod, settings, namespace="default", namespace_annotations=enabled)
    fields = {
        "metadata.name": "web-1",
        "metadata.namespace": "default",
        "metadata.uid": "u-1",
        "status.podIP": "127.0.0.1",
        "status.podIPs": "127.0.0.1",
        "spec.nodeName": "node",
        "spec.serviceAccountName": "proxied",
    }
    variables = environment(found.pod, fields)
    token, folder = tmp_path / "token", tmp_path / "end-entity"
    token.write_text(await account("default", "proxied", "identity.l5d.io"))
    folder.mkdir()
    prefix = "LINKERD2_PROXY_"
    variables |= {
        f"{prefix}IDENTITY_SVC_ADDR": f"127.0.0.1:{running.ports['grpc']}",
        f"{prefix}IDENTITY_DIR": str(folder),
        f"{prefix}IDENTITY_TOKEN_FILE": str(token),
        f"{prefix}DESTINATION_SVC_ADDR": "127.0.0.1:1",  # nobody is there: not needed to be ready
        f"{prefix}POLICY_SVC_ADDR": "127.0.0.1:1",
    }
    pipe = asyncio.subprocess.PIPE
    proxy = await asyncio.create_subprocess_exec(
        INIT, "run", "--", PROXY, env=variables, stdout=pipe, stderr=pipe
    )
    try:
        waiting = await asyncio.create_subprocess_exec(
            INIT, "await", "--port", str(admin), "--timeout", "30s"
        )
        assert await waiting.wait() == 0
    finally:
        proxy.terminate()
        output, errors = await proxy.communicate()
    name = "proxied.default.serviceaccount.identity.tulle.cluster.local"
    assert f"Certified identity id={name}" in (output + errors).decode()
