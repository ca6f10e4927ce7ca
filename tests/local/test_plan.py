"""Names and addresses: clusters do not collide, a name keeps its place, the end leaves nothing."""

from ipaddress import IPv4Network
from itertools import combinations
from pathlib import Path

import pytest

from tulle.local.errors import LocalError
from tulle.local.plan import CLUSTERS, Plan, check_name, claim, find, first_free, release


def test_no_two_clusters_share_an_address() -> None:
    ranges = []
    for index in range(CLUSTERS):
        plan = Plan("x", index, Path())
        ranges += [plan.link, *plan.routed]
    assert not [pair for pair in combinations(ranges, 2) if pair[0].overlaps(pair[1])]


def test_the_fixed_services_lie_in_the_service_range() -> None:
    plan = Plan("x", 3, Path())
    assert (plan.api_address, plan.dns_address) == ("10.203.128.1", "10.203.128.10")
    assert plan.node_pods.subnet_of(plan.pods)


def test_an_index_is_skipped_when_the_machine_routes_part_of_it() -> None:
    assert first_free([], [IPv4Network("10.200.192.0/28")]) == 1
    assert first_free([1], [IPv4Network("10.200.0.0/16")]) == 2
    assert first_free([], [IPv4Network("172.31.224.0/30")]) == 1


def test_a_machine_that_routes_all_of_them_is_told_what_to_do() -> None:
    with pytest.raises(LocalError, match="down --purge"):
        first_free([], [IPv4Network("10.0.0.0/8")])


def test_a_name_keeps_its_index_and_others_get_their_own(tmp_path: Path) -> None:
    root = tmp_path / "clusters"
    first, second = claim(root, "local", []), claim(root, "demo", [])
    assert (first.index, second.index) == (0, 1)
    release(root, "local")
    assert claim(root, "demo", []).index == 1
    assert claim(root, "other", []).index == 0


def test_releasing_the_last_name_removes_the_root(tmp_path: Path) -> None:
    root = tmp_path / "clusters"
    claim(root, "local", [])
    release(root, "local")
    assert not root.exists()
    assert find(root, "local") is None


@pytest.mark.parametrize("name", ["", "Local", "a/b", "-a", "a" * 31, "..", "a b"])
def test_a_name_that_could_not_be_a_host_name_is_refused(name: str) -> None:
    with pytest.raises(LocalError, match="cannot name a cluster"):
        check_name(name)


def test_contexts_are_called_after_the_cluster() -> None:
    contexts = [Plan(name, 0, Path()).context for name in ("local", "demo")]
    assert contexts == ["tulle-local", "tulle-local-demo"]
