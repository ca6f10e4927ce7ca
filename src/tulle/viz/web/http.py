"""A question of a browser and its answer, as the dashboard's parts see them."""

import gzip
import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from tulle import durations
from tulle.serve.asgi import Message, Receive
from tulle.viz.kinds import KINDS

Json = dict[str, Any]

JSON = "application/json"
LONGEST_BODY = 256 * 1024
WORTH_ZIPPING = 1400  # bytes: less fits into one packet anyway
NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")


class Refused(Exception):
    """An answer that is a failure: a status, a sentence, and what helps."""

    def __init__(self, status: int, sentence: str, hint: str = "", **more: Any) -> None:
        super().__init__(sentence)
        self.status, self.content = status, {"error": sentence, "hint": hint, **more}


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Query:
    """The parameters of a question, each of which is judged where it is read."""

    values: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, scope: Message) -> "Query":
        text = scope["query_string"].decode("latin-1")
        return cls({key: values[0] for key, values in parse_qs(text).items()})

    def text(self, name: str, default: str = "") -> str:
        return self.values.get(name, default)

    def kind(self, default: str, *more: str) -> str:
        found = self.text("kind") or default
        if found not in KINDS and found not in more:
            raise Refused(400, f"there is no kind {found!r}", f"kinds are: {', '.join(KINDS)}")
        return found

    def name(self, key: str) -> str:
        """Of a namespace or an object; empty if it is not given."""
        found = self.text(key)
        if found and not NAME.fullmatch(found):
            raise Refused(400, f"{found!r} is not the name of an object")
        return found

    def window(self) -> str:
        found = self.text("window") or "60s"
        try:
            seconds = durations.seconds(found)
        except ValueError as error:
            raise Refused(400, f"window={found}: {error}") from None
        if not 1 <= seconds <= 24 * 3600:
            raise Refused(400, "a window is between a second and a day")
        return found

    def moment(self, name: str) -> float | None:
        """Unix seconds; None if it is not given."""
        found = self.text(name)
        if not found:
            return None
        try:
            return float(found)
        except ValueError:
            raise Refused(400, f"{name} is a moment in Unix seconds, not {found!r}") from None

    def count(self, name: str, default: int, least: int, most: int) -> int:
        found = self.text(name)
        if found and not found.isdecimal():
            raise Refused(400, f"{name} is a whole number, not {found!r}")
        return min(most, max(least, int(found or default)))


def header(scope: Message, name: bytes) -> str:
    found: bytes = dict(scope["headers"]).get(name, b"")
    return found.decode("latin-1")


def is_foreign(scope: Message) -> bool:
    """Whether a page of another site asks: browsers say where a question comes from."""
    origin = header(scope, b"origin")
    if origin and origin.partition("://")[2] != header(scope, b"host"):
        return True
    return header(scope, b"sec-fetch-site") in ("cross-site", "same-site")


def bearer(scope: Message) -> str:
    scheme, _, token = header(scope, b"authorization").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


async def body_of(scope: Message, receive: Receive) -> bytes:
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Refused(400, "the question ended before its body")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > LONGEST_BODY:
            raise Refused(413, f"the body is longer than {LONGEST_BODY} bytes")
        if not message.get("more_body"):
            return b"".join(parts)


def answer(scope: Message, status: int, content: object) -> Answer:
    """JSON, zipped where that pays and the browser can."""
    body = json.dumps(content, separators=(",", ":"), allow_nan=False).encode()
    if len(body) < WORTH_ZIPPING or "gzip" not in header(scope, b"accept-encoding"):
        return Answer(status, JSON, body)
    zipped = gzip.compress(body, 1, mtime=0)
    more = ((b"content-encoding", b"gzip"), (b"vary", b"accept-encoding"))
    return Answer(status, JSON, zipped, more)
