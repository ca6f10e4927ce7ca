"""One DNS question by UDP: does the cluster's DNS answer for the cluster's own name?"""

import contextlib
import socket
import struct

QUERY_ID = 0x7475
TIMEOUT_SECONDS = 0.5
RECURSION_DESIRED = 0x0100
TYPE_A, CLASS_IN = 1, 1


def question(name: str) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    header = struct.pack("!6H", QUERY_ID, RECURSION_DESIRED, 1, 0, 0, 0)
    return header + labels + b"\0" + struct.pack("!2H", TYPE_A, CLASS_IN)


def is_answer(message: bytes) -> bool:
    """True for a reply to our question without error and with an answer in it."""
    if len(message) < 12:
        return False
    identity, flags, _, answers = struct.unpack("!4H", message[:8])
    return bool(identity == QUERY_ID and flags & 0x800F == 0x8000 and answers > 0)


def resolves(server: str, name: str) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(TIMEOUT_SECONDS)
        with contextlib.suppress(OSError):
            asking.connect((server, 53))
            asking.send(question(name))
            return is_answer(asking.recv(512))
    return False
