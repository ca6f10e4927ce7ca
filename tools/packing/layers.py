"""A layer: a tar whose bytes depend on names, modes and contents alone (sorted, root's, time 0)."""

import hashlib
import stat
import tarfile
from pathlib import Path


def write_layer(tree: Path, out: Path) -> None:
    """Packs everything below `tree`, which becomes the image's root."""
    partial = out.with_suffix(".partial")
    with tarfile.open(partial, "w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(tree.rglob("*"), key=lambda path: path.relative_to(tree).parts):
            _add(tar, path, str(path.relative_to(tree)))
    partial.rename(out)


def _add(tar: tarfile.TarFile, path: Path, name: str) -> None:
    status = path.lstat()
    entry = tarfile.TarInfo(name)
    entry.mode = stat.S_IMODE(status.st_mode)
    if path.is_symlink():
        entry.type, entry.mode, entry.linkname = tarfile.SYMTYPE, 0o777, str(path.readlink())
        tar.addfile(entry)
    elif path.is_dir():
        entry.type = tarfile.DIRTYPE
        tar.addfile(entry)
    elif path.is_file():
        entry.size = status.st_size
        with path.open("rb") as content:
            tar.addfile(entry, content)


def file_digest(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def tree_digest(path: Path) -> str:
    """One digest for a file's or a folder's names, modes and contents."""
    seed = hashlib.sha256()
    for file in [path] if path.is_file() else sorted(path.rglob("*")):
        if "__pycache__" in file.parts or not file.is_file():
            continue
        seed.update(f"{file.relative_to(path)} {file.stat().st_mode:o} ".encode())
        seed.update(file_digest(file).encode())
    return seed.hexdigest()
