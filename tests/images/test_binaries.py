"""What the Rust programs are compiled with."""

import lzma
from pathlib import Path

from packing import binaries

ROOT = Path(__file__).resolve().parents[2]
# llvm/ProfileData/InstrProfData.inc: an indexed profile of instrumented code.
MAGIC = b"\xfflprofi\x81"


def test_the_profile_is_one_that_the_compiler_reads(tmp_path: Path) -> None:
    path = binaries.profile(ROOT, tmp_path)
    found = path.read_bytes()
    assert found.startswith(MAGIC)
    assert b"tulle_proxy" in found
    assert binaries.profile(ROOT, tmp_path) == path
    assert list(path.parent.iterdir()) == [path], "nothing half written stays"


def test_another_profile_has_another_path(tmp_path: Path) -> None:
    """Cargo knows a changed flag, not a changed file."""
    root = tmp_path / "clone"
    place = root / binaries.PROFILE
    place.parent.mkdir(parents=True)
    made = []
    for counts in (b"first", b"second"):
        place.write_bytes(lzma.compress(counts))
        path = binaries.profile(root, tmp_path)
        assert path.read_bytes() == counts
        made.append(path)
    assert made[0] != made[1]
