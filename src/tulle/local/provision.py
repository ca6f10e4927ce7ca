"""Everything that must be on disk before a node can boot, from the first place that has it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tulle.local import binaries, compile, debian, download, gateway, images, paths
from tulle.local.binaries import Binary
from tulle.local.debian import Packages
from tulle.local.errors import LocalError
from tulle.local.locks import held
from tulle.local.paths import Caches, make_folder

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Provisions:
    packages: Packages
    own_images: Sequence[Path]


def ensure(caches: Caches, say: Say) -> Provisions:
    """The cache, else the release servers, else a build. Quick when the cache has all."""
    for folder in (caches.bin, caches.images, caches.deb.parent):
        make_folder(folder)
    with held(caches.root, lambda: say("another launcher fills the cache: waiting")):
        return _fill(caches, say)


def _fill(caches: Caches, say: Say) -> Provisions:
    packages = debian.ensure(caches.deb, say)
    absent = binaries.missing(caches.bin, binaries.needed())
    if absent:
        remaining = _from_releases(absent, caches, say)
        if remaining:
            compile.build(remaining, caches, say)
    try:
        gateway.fetch(caches)
    except download.Unavailable as error:
        say(f"Gateway API's CRDs are left out: {error}")
    compile.clean(caches)
    return Provisions(packages, images.pack_own(caches, binaries.architecture()))


def _from_releases(absent: Sequence[Binary], caches: Caches, say: Say) -> list[Binary]:
    """What the release servers do not give."""
    remaining = []
    with download.releases() as releases:
        for binary in absent:
            try:
                releases.fetch(binary, caches.bin)
                say(f"downloaded {binary.name} {binary.version}")
            except download.Unavailable:
                remaining.append(binary)
    return remaining


def main() -> None:
    """`python -m tulle.local.provision`: fill the cache ahead of the first cluster."""
    try:
        ensure(paths.caches(), lambda line: print(line, flush=True))
    except LocalError as error:
        raise SystemExit(f"provision: {error}") from error


if __name__ == "__main__":
    main()
