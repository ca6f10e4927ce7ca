"""Builds the dashboard's page from web/ into src/tulle/viz/web/static, where the server finds it.

    python tools/web.py [build]    build it, unless nothing has changed
    python tools/web.py lint       types and eslint
    python tools/web.py test       vitest

Node's packages and the bundle are kept in ~/.cache/tulle/web (TULLE_CACHE moves it), named by a
digest of what they are made of, so that a fresh clone fetches and builds nothing that is known.
The plain standard library only.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WEB = ROOT / "web"
STATIC = ROOT / "src" / "tulle" / "viz" / "web" / "static"
CACHE = Path(os.environ.get("TULLE_CACHE", Path.home() / ".cache" / "tulle")) / "web"
LOCKS = ("package.json", "package-lock.json")
STAMP = ".digest"


def digest(paths: list[Path]) -> str:
    found = hashlib.sha256()
    for path in paths:
        content = path.read_bytes()
        found.update(f"{path.relative_to(WEB)} {len(content)}\n".encode() + content)
    return found.hexdigest()[:16]


def sources() -> list[Path]:
    """All but the tests, which do not change the bundle."""
    return sorted(
        path
        for path in WEB.rglob("*")
        if path.is_file() and path.relative_to(WEB).parts[0] not in ("node_modules", "tests")
    )


def run(folder: Path, *command: str, **environment: str) -> None:
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, stdout=sys.stderr, check=False
    )
    if done.returncode != 0:
        raise SystemExit(f"web: `{' '.join(command)}` exited {done.returncode}")


def put_modules() -> None:
    """`web/node_modules` becomes a link to the locked packages in the cache."""
    kept = CACHE / f"modules-{digest([WEB / name for name in LOCKS])}"
    if not (kept / STAMP).exists():
        kept.mkdir(parents=True, exist_ok=True)
        for name in LOCKS:
            shutil.copy(WEB / name, kept / name)
        # No package's own script runs: none of those in use needs one.
        run(kept, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
        (kept / STAMP).touch()
    link, target = WEB / "node_modules", kept / "node_modules"
    if link.is_symlink() and link.readlink() == target:
        return
    if link.is_symlink():
        link.unlink()
    elif link.exists():
        shutil.rmtree(link)
    link.symlink_to(target)


def build() -> None:
    wanted = digest(sources())
    stamp = STATIC / STAMP
    if stamp.exists() and stamp.read_text() == wanted:
        return
    kept = CACHE / f"static-{wanted}"
    if not kept.exists():
        put_modules()
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            made = Path(scratch) / "static"
            run(WEB, "npx", "--no-install", "vite", "build", TULLE_WEB_OUT=str(made))
            (made / STAMP).write_text(wanted)
            made.rename(kept)
    shutil.rmtree(STATIC, ignore_errors=True)
    shutil.copytree(kept, STATIC)


def check(what: str) -> None:
    put_modules()
    run(WEB, "npm", "run", "--silent", what)


if __name__ == "__main__":
    for asked in sys.argv[1:] or ["build"]:
        if asked == "build":
            build()
        elif asked in ("lint", "test"):
            check(asked)
        else:
            raise SystemExit(f"web: there is no {asked!r}; say build, lint or test")
