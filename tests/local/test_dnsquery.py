"""DNS messages: ours is well formed, and only an answer to it counts."""

import struct

import pytest

from tulle.local.dnsquery import QUERY_ID, is_answer, question


def test_a_question_carries_its_labels() -> None:
    assert question("a.bc")[12:] == b"\x01a\x02bc\x00\x00\x01\x00\x01"


def reply(identity: int, flags: int, answers: int) -> bytes:
    return struct.pack("!6H", identity, flags, 1, answers, 0, 0)


@pytest.mark.parametrize(
    ("message", "answers"),
    [
        (reply(QUERY_ID, 0x8580, 1), True),
        (reply(QUERY_ID, 0x8583, 0), False),
        (reply(QUERY_ID, 0x8580, 0), False),
        (reply(QUERY_ID + 1, 0x8580, 1), False),
        (reply(QUERY_ID, 0x0100, 1), False),
        (b"short", False),
    ],
)
def test_only_a_reply_with_an_answer_counts(message: bytes, *, answers: bool) -> None:
    assert is_answer(message) is answers
