"""The pages' files: one index.html for every page, and what it loads from /assets."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from tulle.serve.asgi import Message
from tulle.viz.web.http import Answer, Refused, header

STATIC = Path(__file__).with_name("static")
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}
ENCODINGS = (("br", ".br"), ("gzip", ".gz"))  # the better one first
ASSET = re.compile(r"/assets/[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")
FOR_EVER = b"public, max-age=31536000, immutable"  # a name under /assets holds its content's hash
MISSING = "The page's files are not built; run: make web"


@dataclass(frozen=True, slots=True)
class Assets:
    folder: Path = field(default=STATIC)

    @property
    def is_built(self) -> bool:
        return (self.folder / "index.html").is_file()

    def page(self, scope: Message) -> Answer:
        """The same for every page: what it shows, it reads from its own path."""
        if not self.is_built:
            return Answer(503, "text/plain; charset=utf-8", f"{MISSING}\n".encode())
        return self._file(scope, self.folder / "index.html", b"no-cache")

    def asset(self, scope: Message) -> Answer:
        path = scope["path"]
        found = self.folder / path.lstrip("/")
        if not ASSET.fullmatch(path) or found.suffix not in TYPES or not found.is_file():
            raise Refused(404, "there is no such file")
        return self._file(scope, found, FOR_EVER)

    def _file(self, scope: Message, path: Path, cached: bytes) -> Answer:
        """Packed already, if the build did so and the browser takes it."""
        accepted = {part.partition(";")[0].strip() for part in _accepted(scope)}
        more: tuple[tuple[bytes, bytes], ...] = ((b"cache-control", cached),)
        for encoding, suffix in ENCODINGS:
            packed = path.with_name(path.name + suffix)
            if encoding in accepted and packed.is_file():
                more += ((b"content-encoding", encoding.encode()), (b"vary", b"accept-encoding"))
                return Answer(200, TYPES[path.suffix], packed.read_bytes(), more)
        return Answer(200, TYPES[path.suffix], path.read_bytes(), more)


def _accepted(scope: Message) -> list[str]:
    return header(scope, b"accept-encoding").split(",")
