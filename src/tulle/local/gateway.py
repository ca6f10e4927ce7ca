"""Gateway API's CRDs (standard channel): fetched once into the cache, applied at `up`.

They belong to their project; without them a cluster works, and so does the mesh.
"""

import json
import shutil
import subprocess
from pathlib import Path

from tulle.local.compile import go_environment
from tulle.local.download import Unavailable
from tulle.local.paths import Caches

VERSION = "1.4.0"
MODULE = f"sigs.k8s.io/gateway-api@v{VERSION}"
MODULE_SUM = "h1:ZwlNM6zOHq0h3WUX2gfByPs2yAEsy/EenYJB78jpQfQ="


def manifest(caches: Caches) -> Path:
    return caches.manifests / f"gateway-api-{VERSION}-standard.yaml"


def fetch(caches: Caches, folder: Path | None = None) -> None:
    """From the Go module, whose sum is pinned; raises Unavailable."""
    target = manifest(caches)
    if target.exists():
        return
    source = (folder or _module(caches)) / "config" / "crd" / "standard"
    texts = [path.read_text() for path in sorted(source.glob("gateway.networking*.yaml"))]
    if not texts:
        raise Unavailable(f"{source} holds no CRDs")
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_suffix(".new")
    fresh.write_text("\n---\n".join(texts))
    fresh.replace(target)


def _module(caches: Caches) -> Path:
    if shutil.which("go") is None:
        raise Unavailable("there is no go to fetch the module with")
    caches.root.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["go", "mod", "download", "-json", MODULE],
        cwd=caches.root,
        env=go_environment(caches),
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        found = json.loads(done.stdout)
    except json.JSONDecodeError as error:
        raise Unavailable(done.stderr.strip() or "go printed nothing") from error
    if found.get("Error") or found.get("Sum") != MODULE_SUM:
        raise Unavailable(found.get("Error") or f"{MODULE} does not have the pinned sum")
    return Path(found["Dir"])
