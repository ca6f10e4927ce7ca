"""Which cgroup hierarchies a machine has, from the text of /proc/mounts."""

from pathlib import Path

from tulle.local.cgroups import Hierarchies, Hierarchy, controllers, parse, remove

V1 = """\
cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,nosuid,nodev,noexec,relatime,cpu,cpuacct 0 0
cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0
cgroup /sys/fs/cgroup/systemd cgroup rw,relatime,xattr,release_agent=/x,name=systemd 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0
tmpfs /run tmpfs rw 0 0
"""
V2 = "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nodev,noexec,relatime,nsdelegate 0 0\n"


def test_v1_keeps_the_options_that_mount_it_again() -> None:
    found = parse(V1)
    assert not found.unified
    assert [each.options for each in found.mounted] == ["cpu,cpuacct", "memory", "name=systemd", ""]
    assert {"cpu", "memory"} <= controllers(found)


def test_v2_alone_is_unified() -> None:
    found = parse(V2)
    assert found.unified
    assert found.of("tulle-x") == [Path("/sys/fs/cgroup/tulle-x")]


def test_a_machine_without_cgroups_has_no_controllers() -> None:
    assert controllers(parse("")) == frozenset()


def test_removing_takes_the_whole_subtree(tmp_path: Path) -> None:
    (tmp_path / "tulle-x" / "kubepods" / "pod1").mkdir(parents=True)
    (tmp_path / "tulle-y").mkdir()
    remove(Hierarchies((Hierarchy(str(tmp_path), "cgroup", "cpu"),), False), "tulle-x")
    assert [path.name for path in tmp_path.iterdir()] == ["tulle-y"]
