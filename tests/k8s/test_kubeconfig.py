"""Reading kubeconfigs the way kubectl does."""

import base64
from pathlib import Path

import pytest
import yaml

from tulle.k8s import kubeconfig


def written(path: Path, *, context: str = "one", server: str = "https://a:6443") -> Path:
    content = {
        "current-context": context,
        "clusters": [{"name": "c", "cluster": {"server": server, "certificate-authority": "ca"}}],
        "users": [{"name": "u", "user": {"client-key-data": base64.b64encode(b"k").decode()}}],
        "contexts": [{"name": context, "context": {"cluster": "c", "user": "u"}}],
    }
    path.write_text(yaml.safe_dump(content))
    (path.parent / "ca").write_bytes(b"authority")
    return path


def test_paths_inside_are_relative_to_the_file(tmp_path: Path) -> None:
    access = kubeconfig.from_kubeconfig(str(written(tmp_path / "config")))
    assert access.ca_data == b"authority"
    assert access.client_key == b"k"
    assert access.namespace == "default"
    assert access.context == "one"


def test_of_two_files_the_first_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x").mkdir()
    first = written(tmp_path / "x" / "config", server="https://first:1")
    second = written(tmp_path / "config", context="two", server="https://second:2")
    monkeypatch.setenv("KUBECONFIG", f"{first}:{second}")
    assert kubeconfig.from_kubeconfig().server == "https://first:1"
    assert kubeconfig.from_kubeconfig(context="two").context == "two"


def test_without_any_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "missing"))
    with pytest.raises(kubeconfig.KubeconfigError, match="tulle local up"):
        kubeconfig.discover()


def test_an_unknown_context_is_named(tmp_path: Path) -> None:
    path = written(tmp_path / "config")
    with pytest.raises(kubeconfig.KubeconfigError, match="no context named 'nine'"):
        kubeconfig.from_kubeconfig(str(path), "nine")


def test_secrets_do_not_show_in_the_representation(tmp_path: Path) -> None:
    assert "b'k'" not in repr(kubeconfig.from_kubeconfig(str(written(tmp_path / "config"))))


def test_malformed_yaml_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("a: [")
    with pytest.raises(kubeconfig.KubeconfigError, match=str(path)):
        kubeconfig.from_kubeconfig(str(path))
