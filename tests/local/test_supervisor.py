"""The node's pid 1: what it is told survives the file, and restarts back off."""

from pathlib import Path

from tulle.local import nodefs
from tulle.local.cgroups import Hierarchy
from tulle.local.supervisor import ApiAccess, Child, Component, Spec, restart_delay


def test_restarts_back_off_to_half_a_minute() -> None:
    delays = [restart_delay(failures) for failures in range(9)]
    assert delays == [0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


def test_a_long_life_is_forgiven() -> None:
    child = Child(Component("x", ["/x"]), pid=7, started=0.0)
    child.ended(now=1.0)
    assert (child.failures, child.due) == (1, 1.5)
    child.pid, child.started = 8, 2.0
    child.ended(now=100.0)
    assert (child.failures, child.due, child.restarts) == (0, 100.0, 2)


def test_the_spec_is_read_as_it_was_written(tmp_path: Path) -> None:
    spec = Spec(
        directory=str(tmp_path),
        filesystem=nodefs.Filesystem(str(tmp_path), ["/a"], {"/etc/hosts": "x"}, "/cni"),
        network=nodefs.Network("tulle-x", "10.0.0.2/30", "10.0.0.1", "10.0.0.0/30"),
        cgroups=[Hierarchy("/sys/fs/cgroup", "cgroup2", "")],
        api=ApiAccess("10.0.0.2", 6443, "/pki"),
        components=[Component("etcd", ["/bin/etcd"]), Component("kubelet", ["/k"], True)],
        search_path="/usr/bin",
    )
    spec.write()
    assert Spec.read(tmp_path) == spec
