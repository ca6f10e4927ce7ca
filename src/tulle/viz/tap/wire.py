"""How events travel: each message behind its length, as four bytes, little endian. Pure."""

import struct
from collections.abc import Iterator

CONTENT_TYPE = "application/octet-stream"
ERROR_HEADER = "linkerd-error"
MAX_MESSAGE_BYTES = 4 * 1024 * 1024
_LENGTH = struct.Struct("<I")


class BadFrame(Exception):
    """Bytes that are no stream of messages."""


def framed(message: bytes) -> bytes:
    return _LENGTH.pack(len(message)) + message


class Frames:
    """Cuts messages out of a stream of chunks."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        self._held += chunk
        while len(self._held) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._held)
            if length > MAX_MESSAGE_BYTES:
                raise BadFrame(f"a message of {length} bytes is announced: this is no tap stream")
            end = _LENGTH.size + length
            if len(self._held) < end:
                return
            message = bytes(self._held[_LENGTH.size : end])
            del self._held[:end]
            yield message
