"""Pack the container images from images/*.toml into OCI archives, without a daemon or a registry.

    python tools/images.py [--profile release|quick|dev] [--no-build] [NAME…]

Archives go to ~/.cache/tulle/images/NAME.tar (TULLE_CACHE moves the cache). Layers are kept by a
hash of what went into them, so only what changed is made anew. `--pin NAME` writes the exact
wheels, with their hashes, that images/wheels/NAME.in asks for.
"""

import argparse
import json
import os
import re
import shutil
import sys
import time
from pathlib import Path

from packing import archive, binaries, debian, description, layers, pins, process, python
from packing.store import Store, recipe

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "images"
BINARY_FOLDER = "usr/lib/tulle"


def cache_root() -> Path:
    return Path(os.environ.get("TULLE_CACHE", Path.home() / ".cache" / "tulle"))


def version() -> str:
    text = (ROOT / "src/tulle/names.py").read_text()
    found = re.search(r'^VERSION: Final = "([^"]+)"', text, re.MULTILINE)
    if found is None:
        raise SystemExit("images: src/tulle/names.py names no VERSION")
    return found[1]


class Packer:
    def __init__(self, cache: Path, profile: str, is_building: bool) -> None:
        self.cache = cache
        self.profile = profile
        self.is_building = is_building
        self.architecture = debian.architecture()
        self.store = Store(cache / "layers", self.architecture)

    def pack(self, image: description.Image) -> None:
        print(f"{image.tag}", file=sys.stderr, flush=True)
        for script in image.generate:
            with process.step(script):
                process.run(sys.executable, str(ROOT / script))
        made = [self._base(image.base)]
        if image.wheels is not None:
            made.append(self._wheels(image.wheels))
        if image.binaries:
            made.append(self._binaries(image.binaries))
        if image.files:
            made.append(self._files(image.files))
        self._archive(image, made)

    def _base(self, name: str) -> archive.Layer:
        rootfs = description.read_rootfs(IMAGES / "rootfs" / f"{name}.toml")

        def fill(tree: Path) -> None:
            debian.unpack(rootfs, self.cache / "deb", tree)
            if rootfs.is_compiled:
                python.compile_all(tree)

        return self.store.layer(f"Debian base {name}", repr(rootfs), (debian, python), fill)

    def _wheels(self, name: str) -> archive.Layer:
        pinned = IMAGES / "wheels" / name

        def fill(tree: Path) -> None:
            python.install_wheels(pinned, tree)
            python.compile_all(tree)

        return self.store.layer(f"wheels of {name}", pinned.read_text(), (python,), fill)

    def _binaries(self, packages: tuple[str, ...]) -> archive.Layer:
        target = binaries.target_folder(self.cache)
        if self.is_building:
            with process.step(f"cargo build --profile {self.profile} of {', '.join(packages)}"):
                flags = []
                if self.profile == "release":
                    flags.append(f"-Cprofile-use={binaries.profile(ROOT, self.cache)}")
                binaries.build(packages, self.profile, ROOT, target, flags)
        built = binaries.built(packages, self.profile, target)

        def fill(tree: Path) -> None:
            folder = tree / BINARY_FOLDER
            folder.mkdir(parents=True)
            for name, path in built.items():
                shutil.copyfile(path, folder / name)
                (folder / name).chmod(0o755)

        seed = {name: layers.file_digest(path) for name, path in built.items()}
        return self.store.layer(", ".join(packages), seed, (), fill)

    def _files(self, files: tuple[description.Files, ...]) -> archive.Layer:
        def fill(tree: Path) -> None:
            for file in files:
                copy(ROOT / file.source, tree / file.to)
                if file.is_compiled:
                    python.compile_all(tree, file.to)

        seed = [(repr(file), layers.tree_digest(ROOT / file.source)) for file in files]
        return self.store.layer(", ".join(file.source for file in files), seed, (python,), fill)

    def _archive(self, image: description.Image, made: list[archive.Layer]) -> None:
        out = self.cache / "images" / f"{image.name}.tar"
        stamp = self.store.folder / f"{image.name}.stamp"
        seed = json.dumps([repr(image), [layer.digest for layer in made], recipe(archive)])
        if out.exists() and stamp.exists() and stamp.read_text() == seed:
            print(f"  unchanged, {size(out)}", file=sys.stderr)
            return
        out.parent.mkdir(parents=True, exist_ok=True)
        with self.store.locked(), process.step(f"archive {out}"):
            archive.write_archive(image, made, self.architecture, out)
        stamp.write_text(seed)
        print(f"  {size(out)}", file=sys.stderr)


def copy(source: Path, target: Path) -> None:
    """Files as everybody may read them, whatever the builder's umask was."""
    if source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    elif source.is_dir():
        ignored = shutil.ignore_patterns("__pycache__", "*.pyi", ".stubs", ".digest", ".gitkeep")
        shutil.copytree(
            source, target, ignore=ignored, copy_function=shutil.copyfile, dirs_exist_ok=True
        )
    else:
        raise description.BadDescription(f"{source} does not exist, but an image wants it")
    for path in [target, *target.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)


def size(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.1f} MB"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument(
        "--profile",
        default="release",
        help="cargo's profile (default release); quick builds without link-time optimization",
    )
    parser.add_argument("--no-build", action="store_true", help="pack the binaries as last built")
    parser.add_argument("--pin", metavar="NAME", help="resolve images/wheels/NAME.in anew")
    given = parser.parse_args()
    started = time.monotonic()
    try:
        if given.pin:
            pins.pin(IMAGES / "wheels" / f"{given.pin}.in")
            return
        names = given.names or sorted(path.stem for path in IMAGES.glob("*.toml"))
        chosen = [description.read_image(IMAGES / f"{name}.toml", version()) for name in names]
        packer = Packer(cache_root(), given.profile, not given.no_build)
        for image in chosen:
            packer.pack(image)
        packer.store.forget_unused()
    except (description.BadDescription, process.ToolFailed) as error:
        raise SystemExit(f"images: {error}") from error
    print(f"images: {len(chosen)} in {time.monotonic() - started:.1f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
