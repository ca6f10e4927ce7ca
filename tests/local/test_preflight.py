"""Preflight: a good machine passes, and each lack is named with a remedy."""

from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from tulle.local.plan import Plan
from tulle.local.preflight import CAPABILITIES, GIGABYTE, TOOLS, Facts, Probes, check

PLAN = Plan("local", 0, Path("/nowhere"))
GOOD = Facts(
    uid=0,
    capabilities=frozenset(CAPABILITIES),
    tools=frozenset(TOOLS),
    controllers=frozenset({"cpu", "memory", "pids", "cpuset"}),
    free_disk=10 * GIGABYTE,
    available_memory=4 * GIGABYTE,
    overlay=None,
    bridge=None,
    nat=None,
    routes=(IPv4Network("192.168.0.0/24"),),
)


def test_a_good_machine_has_no_problem() -> None:
    assert check(GOOD, PLAN) == []


def test_without_root_nothing_else_is_said() -> None:
    problems = check(replace(GOOD, uid=1000, free_disk=0, overlay="no"), PLAN)
    assert [str(problem) for problem in problems] == [
        "a local cluster needs root: run `sudo tulle local up`"
    ]


@pytest.mark.parametrize(
    ("lack", "said", "remedy"),
    [
        ({"capabilities": frozenset(CAPABILITIES) - {"CAP_SYS_ADMIN"}}, "SYS_ADMIN", "privileged"),
        ({"tools": frozenset(TOOLS) - {"iptables"}}, "`iptables`", "apt-get install iptables"),
        ({"controllers": frozenset({"cpu", "pids"})}, "controller memory", "cgroup_enable=memory"),
        ({"free_disk": GIGABYTE}, "1.0 GB of disk", "TULLE_LOCAL_ROOT"),
        ({"available_memory": GIGABYTE}, "1.0 GB of memory", "end other programs"),
        ({"overlay": "wrong fs type"}, "wrong fs type", "modprobe overlay"),
        ({"bridge": "not supported"}, "not supported", "modprobe bridge"),
        ({"nat": "no chain"}, "no chain", "modprobe nf_nat"),
        ({"routes": (IPv4Network("10.200.0.0/15"),)}, "10.200.0.0/15", "remove that route"),
    ],
)
def test_each_lack_is_named_with_its_remedy(lack: dict[str, Any], said: str, remedy: str) -> None:
    problems = check(replace(GOOD, **lack), PLAN)
    assert problems
    assert said in problems[0].what
    assert remedy in problems[0].remedy


def test_a_machine_with_several_lacks_hears_of_all_at_once() -> None:
    facts = replace(GOOD, free_disk=0, available_memory=0, nat="no")
    assert len(check(facts, PLAN)) == 3


def test_what_fails_for_want_of_a_capability_is_not_blamed_on_the_kernel() -> None:
    facts = replace(GOOD, capabilities=frozenset(), overlay="not permitted", nat="not permitted")
    said = " ".join(str(problem) for problem in check(facts, PLAN))
    assert "CAP_SYS_ADMIN" in said
    assert "modprobe" not in said


@pytest.mark.root
def test_a_probe_of_overlay_leaves_nothing(tmp_path: Path) -> None:
    Probes(tmp_path).overlay()
    assert list(tmp_path.iterdir()) == []
    assert str(tmp_path) not in Path("/proc/self/mounts").read_text()
