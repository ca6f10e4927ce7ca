"""What images/*.toml may say, read into dataclasses at the door."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class BadDescription(Exception):
    """A description that cannot be packed; the text names file and fault."""


@dataclass(frozen=True)
class Rootfs:
    """A base of Debian packages, shared as one layer by all images that name it."""

    name: str
    packages: tuple[str, ...]
    without: tuple[str, ...] = ()  # dependencies that the closure leaves out
    prune: tuple[str, ...] = ()  # globs from the root
    keep: tuple[str, ...] = ()  # exceptions from prune
    links: tuple[tuple[str, str], ...] = ()  # path, target
    folders: tuple[tuple[str, int], ...] = ()  # path, mode
    is_compiled: bool = False


@dataclass(frozen=True)
class Files:
    """A file or folder of the repository, or a built binary, at a path in the image."""

    source: str
    to: str
    is_compiled: bool = False


@dataclass(frozen=True)
class Image:
    name: str
    tag: str
    base: str
    user: str
    entrypoint: tuple[str, ...]
    command: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    wheels: str | None = None  # a list of pinned wheels, relative to images/
    generate: tuple[str, ...] = ()  # scripts that write some of the files first
    binaries: tuple[str, ...] = ()  # Rust packages, put into /usr/lib/tulle
    files: tuple[Files, ...] = ()


def read_rootfs(path: Path) -> Rootfs:
    raw = _read(path)
    table = _Table(path, raw)
    found = Rootfs(
        name=path.stem,
        packages=table.words("packages"),
        without=table.words("without"),
        prune=table.words("prune"),
        keep=table.words("keep"),
        links=table.pairs("links"),
        folders=tuple((name, int(mode, 8)) for name, mode in table.pairs("folders")),
        is_compiled=bool(raw.pop("compile", False)),
    )
    table.finish()
    return found


def read_image(path: Path, version: str) -> Image:
    raw = _read(path)
    table = _Table(path, raw)
    name = table.word("image")
    found = Image(
        name=path.stem,
        tag=f"{name}:{version}",
        base=table.word("base"),
        user=table.word("user"),
        entrypoint=table.words("entrypoint"),
        command=table.words("command"),
        environment=table.pairs("environment"),
        wheels=raw.pop("wheels", None),
        generate=table.words("generate"),
        binaries=table.words("binaries"),
        files=tuple(
            Files(entry["from"], entry["to"], entry.get("compile", False))
            for entry in raw.pop("files", [])
        ),
    )
    table.finish()
    return found


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except FileNotFoundError:
        raise BadDescription(f"{path} does not exist") from None
    except tomllib.TOMLDecodeError as error:
        raise BadDescription(f"{path}: {error}") from error


class _Table:
    """Takes keys out of a table, so that what is left over is known to be a mistake."""

    def __init__(self, path: Path, raw: dict[str, Any]) -> None:
        self.path = path
        self.raw = raw

    def word(self, key: str) -> str:
        if not isinstance(value := self.raw.pop(key, None), str):
            raise BadDescription(f"{self.path}: `{key}` must be given, as a string")
        return value

    def words(self, key: str) -> tuple[str, ...]:
        return tuple(self.raw.pop(key, ()))

    def pairs(self, key: str) -> tuple[tuple[str, str], ...]:
        return tuple(sorted(self.raw.pop(key, {}).items()))

    def finish(self) -> None:
        if self.raw:
            raise BadDescription(f"{self.path}: nothing is known of {', '.join(self.raw)}")
