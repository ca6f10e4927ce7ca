"""The caller's kubeconfig: our context goes in at `up` and out at `down`, the rest stays.

Under sudo it is the file of the person who typed the command, and stays theirs.
"""

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tulle.local.errors import LocalError
from tulle.local.paths import Owner, caller, caller_home, make_folder

Document = dict[str, Any]
SECTIONS = ("clusters", "users", "contexts")
RECORD = "kubeconfig.json"


@dataclass(frozen=True, slots=True)
class Merged:
    """What `enter` did: where, and which context was current before (None: none, or ours)."""

    path: Path
    previous: str | None


def merge(existing: Document, ours: Document) -> Document:
    """`existing` with our entries in place of those of the same name, and our context current."""
    result = {"apiVersion": "v1", "kind": "Config", "preferences": {}, **existing}
    for section in SECTIONS:
        mine = {entry["name"] for entry in ours[section]}
        kept = [entry for entry in existing.get(section) or [] if entry["name"] not in mine]
        result[section] = [*kept, *ours[section]]
    result["current-context"] = ours["current-context"]
    return result


def without(existing: Document, name: str, previous: str | None) -> Document:
    """`existing` without the entries called `name`; `previous` is current again if ours was."""
    result = dict(existing)
    for section in SECTIONS:
        result[section] = [e for e in existing.get(section) or [] if e["name"] != name]
    if existing.get("current-context") == name:
        known = {entry["name"] for entry in result["contexts"]}
        result["current-context"] = previous if previous in known else ""
    return result


def target(environment: Mapping[str, str], home: Path) -> Path:
    """Of $KUBECONFIG's files the first that exists, else its first; without it ~/.kube/config."""
    listed = [Path(part) for part in environment.get("KUBECONFIG", "").split(os.pathsep) if part]
    if not listed:
        return home / ".kube" / "config"
    return next((path for path in listed if path.exists()), listed[0])


def enter(directory: Path, ours: Document) -> Merged:
    """Merge into the caller's file and remember, in the cluster's state, what was current.

    The cluster's own file, where $KUBECONFIG names that, has the context and stays as it is.
    """
    path = target(os.environ, caller_home())
    if directory.resolve() in path.resolve().parents:
        return Merged(path, None)
    existing = _read(path)
    name = ours["current-context"]
    before = existing.get("current-context") or None
    remembered = _remembered(directory)
    if before == name:
        before = remembered.previous if remembered and remembered.path == path else None
    if remembered and remembered.path != path:
        _leave_file(remembered, name)
    merged = Merged(path, before)
    record = {"path": str(path), "previous": before}
    (directory / RECORD).write_text(json.dumps(record) + "\n")
    if merge(existing, ours) != existing:
        _write(path, merge(existing, ours), caller())
    return merged


def leave(directory: Path, name: str) -> Merged | None:
    """Take our entries out of the file that `enter` wrote; None when it never did."""
    remembered = _remembered(directory)
    if remembered is None:
        return None
    _leave_file(remembered, name)
    (directory / RECORD).unlink()
    return remembered


def _leave_file(remembered: Merged, name: str) -> None:
    if not remembered.path.exists():
        return
    existing = _read(remembered.path)
    rest = without(existing, name, remembered.previous)
    if not any(rest[section] for section in SECTIONS):
        remembered.path.unlink()  # nobody else's entries: as it was before us
    elif rest != existing:
        _write(remembered.path, rest, None)


def _remembered(directory: Path) -> Merged | None:
    try:
        record = json.loads((directory / RECORD).read_text())
    except FileNotFoundError:
        return None
    return Merged(Path(record["path"]), record["previous"])


def _read(path: Path) -> Document:
    try:
        document = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        return {}
    except yaml.YAMLError as error:
        raise LocalError(
            f"{path} is not YAML ({error}): mend or move it, then try again"
        ) from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise LocalError(f"{path} is no kubeconfig: mend or move it, then try again")
    return document


def _write(path: Path, document: Document, owner: Owner | None) -> None:
    """Beside, then renamed; an existing file keeps its owner, a new one is the caller's."""
    path = path.resolve()
    if path.exists():
        stat = path.stat()
        owner = Owner(stat.st_uid, stat.st_gid)
    else:
        make_folder(path.parent)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    with os.fdopen(descriptor, "w") as file:
        yaml.safe_dump(document, file, sort_keys=False)
    if owner:
        os.chown(name, owner.uid, owner.gid)
    Path(name).replace(path)
