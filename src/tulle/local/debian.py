"""containerd, runc and the CNI plugins: Debian's packages, unpacked beside the system, or its own.

Nothing is installed: `apt-get download` and `dpkg -x` into the cache. Where the machine is no
Debian, the programs it has installed are taken.
"""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tulle.local.errors import BuildFailed

PACKAGES = ("containerd", "runc", "containernetworking-plugins")
RECORD = "packages.json"
CNI_FOLDERS = ("/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni")

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Packages:
    containerd: Path
    ctr: Path
    runc: Path
    cni: Path  # the folder of the plugins
    search_path: tuple[str, ...]


def ensure(root: Path, say: Say) -> Packages:
    """From the cache, else from Debian's archive, else what is installed."""
    if not (root / RECORD).exists():
        if shutil.which("apt-get") and shutil.which("dpkg"):
            say(f"fetching {', '.join(PACKAGES)} from Debian (60 MB)")
            _download(root)
        elif found := installed():
            return found
        else:
            raise BuildFailed(
                "containerd, runc and the CNI plugins are missing, and this is no Debian to fetch "
                "them from: install them with the system's package manager"
            )
    return _below(root)


def installed() -> Packages | None:
    programs = [shutil.which(name) for name in ("containerd", "ctr", "runc")]
    cni = next((Path(folder) for folder in CNI_FOLDERS if Path(folder, "bridge").exists()), None)
    containerd, ctr, runc = programs
    if containerd is None or ctr is None or runc is None or cni is None:
        return None
    return Packages(Path(containerd), Path(ctr), Path(runc), cni, ())


def _below(root: Path) -> Packages:
    programs = root / "usr" / "bin"
    runc = root / "usr" / "sbin" / "runc"
    return Packages(
        containerd=programs / "containerd",
        ctr=programs / "ctr",
        runc=runc if runc.exists() else programs / "runc",
        cni=root / "usr" / "lib" / "cni",
        search_path=(str(programs), str(root / "usr" / "sbin")),
    )


def _download(root: Path) -> None:
    """Unpack beside, then rename: a half-unpacked folder never counts."""
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root.parent, prefix="deb-") as folder:
        here = Path(folder)
        here.chmod(0o755)  # apt fetches as a user of its own
        _run(["apt-get", "download", "-q", *PACKAGES], here)
        tree = here / "tree"
        names = sorted(path.name for path in here.glob("*.deb"))
        for name in names:
            _run(["dpkg", "-x", name, str(tree)], here)
        (tree / RECORD).write_text(json.dumps(names, indent=1) + "\n")
        shutil.rmtree(root, ignore_errors=True)
        tree.rename(root)


def _run(argv: list[str], directory: Path) -> None:
    done = subprocess.run(argv, cwd=directory, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildFailed(
            f"{' '.join(argv[:2])} failed: {done.stderr.strip()}; `apt-get update` may help"
        )
