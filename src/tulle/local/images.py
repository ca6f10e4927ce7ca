"""Which image archives the node has: imports those that are new or changed, and remembers them."""

import json
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tulle.local import archive, configs, node
from tulle.local.binaries import VERSIONS
from tulle.local.debian import Packages
from tulle.local.errors import LocalError
from tulle.local.paths import Caches
from tulle.local.plan import Plan

RECORD = "images.json"
COREDNS_IMAGE = f"tulle.local/coredns:{VERSIONS['coredns']}"
METRICS_IMAGE = f"tulle.local/metrics-server:{VERSIONS['metrics-server']}"
NOBODY = "65534:65534"


@dataclass(frozen=True, slots=True)
class Imported:
    """An archive as it was when it was imported."""

    path: str
    size: int
    modified_ns: int
    name: str
    digest: str


def pack_own(caches: Caches, architecture: str) -> list[Path]:
    """Pack the images that the node itself needs; each again only after its program changed."""
    own = {
        "pause": configs.PAUSE_IMAGE,
        "coredns": COREDNS_IMAGE,
        "metrics-server": METRICS_IMAGE,
    }
    archives = []
    for program, name in own.items():
        source, target = caches.bin / program, caches.own_images / f"{program}.tar"
        if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
            archive.pack(archive.Image(name, source, NOBODY), target, architecture)
        archives.append(target)
    return archives


def changed(archives: Iterable[Path], known: Sequence[Imported]) -> list[Path]:
    """Those whose image differs from what was imported; equal size and time is trusted."""
    by_path = {each.path: each for each in known}
    digests = {each.digest for each in known}
    result = []
    for path in archives:
        before = by_path.get(str(path))
        stat = path.stat()
        if before and (before.size, before.modified_ns) == (stat.st_size, stat.st_mtime_ns):
            continue
        image = archive.image_of(path)
        if image is None or image[1] not in digests:
            result.append(path)
    return result


def recorded(plan: Plan) -> list[Imported]:
    try:
        rows = json.loads((plan.directory / RECORD).read_text())
    except FileNotFoundError:
        return []
    return [Imported(**row) for row in rows]


def import_archives(
    plan: Plan, pid: int, packages: Packages, archives: Iterable[Path], *, unpack: bool
) -> list[Imported]:
    """Import each into containerd and record it; raises LocalError with ctr's words."""
    result = []
    for path in archives:
        stat = path.stat()
        name = _import(pid, packages, path, unpack=unpack)
        image = archive.image_of(path)
        digest = image[1] if image else ""
        entry = Imported(str(path), stat.st_size, stat.st_mtime_ns, name, digest)
        others = [each for each in recorded(plan) if each.path != entry.path]
        fresh = plan.directory / f"{RECORD}.new"
        fresh.write_text(json.dumps([asdict(each) for each in (*others, entry)], indent=1))
        fresh.replace(plan.directory / RECORD)
        result.append(entry)
    return result


def _import(pid: int, packages: Packages, path: Path, *, unpack: bool) -> str:
    """The archive is read here and piped: the node may not see where it lies."""
    options = [] if unpack else ["--no-unpack"]
    ctr = [str(packages.ctr), "-a", configs.SOCKET, "-n", "k8s.io", "images", "import"]
    with path.open("rb") as source:
        done = subprocess.run(
            node.inside(pid, *ctr, *options, "-"),
            stdin=source,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        why = done.stderr.strip()
        raise LocalError(f"{path} was not imported: {why}; is it an OCI or docker image archive?")
    image = archive.image_of(path)
    if image:
        return image[0]
    words = done.stdout.split()
    return words[1] if len(words) > 1 else path.name


def is_runtime_up(pid: int, packages: Packages) -> bool:
    ctr = [str(packages.ctr), "-a", configs.SOCKET, "--connect-timeout", "1s", "version"]
    done = subprocess.run(node.inside(pid, *ctr), capture_output=True, check=False)
    return done.returncode == 0
