"""The caller's kubeconfig: what was there stays, and `leave` brings back what was current."""

import os
import pwd
from pathlib import Path
from typing import Any

import pytest
import yaml

from tulle.local import kubeconfig
from tulle.local.errors import LocalError
from tulle.local.kubeconfig import merge, target, without


def document(name: str) -> dict[str, Any]:
    return {
        "current-context": name,
        "clusters": [{"name": name, "cluster": {"server": f"https://{name}"}}],
        "users": [{"name": name, "user": {}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
    }


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "home" / "config"
    monkeypatch.setenv("KUBECONFIG", str(path))
    monkeypatch.delenv("SUDO_USER", raising=False)
    return path


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir()
    return folder


def names(path: Path, section: str = "contexts") -> list[str]:
    return [entry["name"] for entry in yaml.safe_load(path.read_text())[section]]


def test_merging_keeps_others_and_replaces_ours() -> None:
    stale = {**document("tulle-local"), "current-context": "work"}
    merged = merge(merge(document("work"), stale), document("tulle-local"))
    assert merged["current-context"] == "tulle-local"
    assert [entry["name"] for entry in merged["users"]] == ["work", "tulle-local"]


def test_a_context_chosen_meanwhile_stays_current() -> None:
    merged = {**merge(document("work"), document("tulle-local")), "current-context": "third"}
    assert without(merged, "tulle-local", "work")["current-context"] == "third"


def test_a_previous_context_that_is_gone_is_not_restored() -> None:
    assert without(document("tulle-local"), "tulle-local", "work")["current-context"] == ""


def test_up_and_down_restore_the_file(config: Path, state: Path) -> None:
    config.parent.mkdir()
    config.write_text(yaml.safe_dump({**document("work"), "apiVersion": "v1", "kind": "Config"}))
    before = yaml.safe_load(config.read_text())
    assert kubeconfig.enter(state, document("tulle-local")).previous == "work"
    assert kubeconfig.enter(state, document("tulle-local")).previous == "work"
    assert names(config) == ["work", "tulle-local"]
    kubeconfig.leave(state, "tulle-local")
    after = yaml.safe_load(config.read_text())
    assert {key: after[key] for key in before} == before


def test_a_file_that_we_made_is_private_and_goes_with_us(config: Path, state: Path) -> None:
    kubeconfig.enter(state, document("tulle-local"))
    assert config.stat().st_mode & 0o777 == 0o600
    kubeconfig.leave(state, "tulle-local")
    assert not config.exists()


def test_two_clusters_hand_the_current_context_back(config: Path, tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder, name in zip(folders, ("tulle-local", "tulle-local-two"), strict=True):
        folder.mkdir()
        kubeconfig.enter(folder, document(name))
    kubeconfig.leave(folders[1], "tulle-local-two")
    assert yaml.safe_load(config.read_text())["current-context"] == "tulle-local"


def test_leaving_twice_is_harmless(config: Path, state: Path) -> None:
    kubeconfig.enter(state, document("tulle-local"))
    assert kubeconfig.leave(state, "tulle-local") is not None
    assert kubeconfig.leave(state, "tulle-local") is None


def test_the_cluster_s_own_file_is_never_taken_away(
    config: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = state / "pki" / "admin.kubeconfig"
    own.parent.mkdir()
    own.write_text(yaml.safe_dump(document("tulle-local")))
    kubeconfig.enter(state, document("tulle-local"))
    monkeypatch.setenv("KUBECONFIG", str(own))
    kubeconfig.enter(state, document("tulle-local"))
    monkeypatch.setenv("KUBECONFIG", str(config))
    kubeconfig.enter(state, document("tulle-local"))
    assert names(own) == names(config) == ["tulle-local"]
    kubeconfig.leave(state, "tulle-local")
    assert names(own) == ["tulle-local"]
    assert not config.exists()


def test_of_several_files_the_first_that_exists_is_written(tmp_path: Path) -> None:
    there = tmp_path / "b"
    there.touch()
    listed = f"{tmp_path}/a:{there}"
    assert target({"KUBECONFIG": listed}, tmp_path) == there
    assert target({}, tmp_path) == tmp_path / ".kube" / "config"


def test_a_file_that_is_no_kubeconfig_is_left_alone(config: Path, state: Path) -> None:
    config.parent.mkdir()
    config.write_text("[1, 2]")
    with pytest.raises(LocalError, match="is no kubeconfig"):
        kubeconfig.enter(state, document("tulle-local"))
    assert config.read_text() == "[1, 2]"


def test_a_link_stays_a_link(config: Path, state: Path, tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.write_text(yaml.safe_dump(document("work")))
    config.parent.mkdir()
    config.symlink_to(real)
    kubeconfig.enter(state, document("tulle-local"))
    assert config.is_symlink()
    assert names(real) == ["work", "tulle-local"]


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_under_sudo_the_file_belongs_to_the_caller(
    config: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = pwd.getpwnam("nobody")
    monkeypatch.setenv("SUDO_USER", "nobody")
    kubeconfig.enter(state, document("tulle-local"))
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in (config, config.parent)}
    assert owners == {(nobody.pw_uid, nobody.pw_gid)}
