"""Reading apt's answers."""

from packing.debian import _needed

LISTING = """\
python3.11-minimal
  PreDepends: libc6
  Depends: libpython3.11-minimal
 |Depends: first
  Depends: second
  Depends: <virtual>
    real
"""


def test_dependencies_are_the_first_alternatives_and_no_virtual_ones() -> None:
    assert _needed(LISTING) == {"libc6", "libpython3.11-minimal", "first"}
