"""A layer's bytes depend on names, modes and contents, and on nothing else."""

import os
import tarfile
from pathlib import Path

from packing import layers


def tree(root: Path, text: str = "same") -> Path:
    (root / "usr" / "bin").mkdir(parents=True)
    (root / "usr" / "bin" / "tool").write_text(text)
    (root / "usr" / "bin" / "tool").chmod(0o755)
    (root / "usr" / "link").symlink_to("bin/tool")
    (root / "tmp").mkdir(mode=0o700)
    (root / "tmp").chmod(0o1777)
    return root


def packed(root: Path, out: Path) -> Path:
    layers.write_layer(root, out)
    return out


def test_the_same_files_make_the_same_bytes_at_any_time(tmp_path: Path) -> None:
    first, second = tree(tmp_path / "first"), tree(tmp_path / "second")
    os.utime(second / "usr" / "bin" / "tool", (1, 1))
    one, other = packed(first, tmp_path / "1.tar"), packed(second, tmp_path / "2.tar")
    assert one.read_bytes() == other.read_bytes()
    changed = packed(tree(tmp_path / "third", "other"), tmp_path / "3.tar")
    assert one.read_bytes() != changed.read_bytes()


def test_modes_and_links_stay_and_everything_is_roots(tmp_path: Path) -> None:
    with tarfile.open(packed(tree(tmp_path / "tree"), tmp_path / "layer.tar")) as tar:
        entries = {entry.name: entry for entry in tar}
    assert list(entries) == ["tmp", "usr", "usr/bin", "usr/bin/tool", "usr/link"]
    assert entries["tmp"].mode == 0o1777
    assert entries["usr/bin/tool"].mode == 0o755
    assert entries["usr/link"].linkname == "bin/tool"
    assert {(entry.uid, entry.gid, entry.mtime) for entry in entries.values()} == {(0, 0, 0)}


def test_a_trees_digest_sees_names_modes_and_contents(tmp_path: Path) -> None:
    seen = [layers.tree_digest(tree(tmp_path / "a"))]
    tool = tmp_path / "a" / "usr" / "bin" / "tool"
    tool.write_text("changed")
    seen.append(layers.tree_digest(tmp_path / "a"))
    tool.chmod(0o644)
    seen.append(layers.tree_digest(tmp_path / "a"))
    tool.rename(tool.with_name("renamed"))
    seen.append(layers.tree_digest(tmp_path / "a"))
    assert len(set(seen)) == 4
    assert seen[0] == layers.tree_digest(tree(tmp_path / "b"))
