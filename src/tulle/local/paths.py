"""Where the launcher keeps things: caches that outlive every cluster, a folder per cluster."""

import os
import pwd
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Caches:
    """Folders below one cache root, shared by all clusters and kept by `down --purge`."""

    root: Path

    @property
    def bin(self) -> Path:
        return self.root / "bin"

    @property
    def images(self) -> Path:
        return self.root / "images"

    @property
    def own_images(self) -> Path:
        """Images that the launcher packs itself, apart from those of the mesh."""
        return self.root / "local-images"

    @property
    def deb(self) -> Path:
        """A folder of our own: what lies beside it belongs to the builder of images."""
        return self.root / "deb" / "node"

    @property
    def manifests(self) -> Path:
        return self.root / "manifests"

    @property
    def modules(self) -> Path:
        return self.root / "gomod" / "local"

    @property
    def objects(self) -> Path:
        return self.root / "gobuild" / "local"


@dataclass(frozen=True, slots=True)
class Owner:
    uid: int
    gid: int


def caller() -> Owner | None:
    """Who is to own what we create for them: under sudo its user, else nobody in particular."""
    user = os.environ.get("SUDO_USER")
    if not user or os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        return None
    return Owner(entry.pw_uid, entry.pw_gid)


def make_folder(path: Path) -> None:
    """Like mkdir with parents; what is new belongs to the caller, who writes there too."""
    if path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir()
    if owner := caller():
        os.chown(path, owner.uid, owner.gid)


def caller_home() -> Path:
    """The home of the person who typed the command: under sudo that of SUDO_USER."""
    user = os.environ.get("SUDO_USER")
    if user and os.geteuid() == 0:
        try:
            return Path(pwd.getpwnam(user).pw_dir)
        except KeyError:
            return Path.home()
    return Path.home()


def caches() -> Caches:
    """$TULLE_CACHE, else ~/.cache/tulle of the caller."""
    root = os.environ.get("TULLE_CACHE")
    return Caches(Path(root) if root else caller_home() / ".cache" / "tulle")


def clusters_root() -> Path:
    """$TULLE_LOCAL_ROOT, else /var/lib/tulle: state of every cluster, one folder per name."""
    return Path(os.environ.get("TULLE_LOCAL_ROOT", "/var/lib/tulle"))
