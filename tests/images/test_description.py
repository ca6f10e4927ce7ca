"""What a description may say, and what is said of one that is wrong."""

from pathlib import Path

import pytest
from packing import description

IMAGES = Path(__file__).parents[2] / "images"
MINIMAL = 'image = "docker.io/tulle/x"\nbase = "python"\nuser = "1"\nentrypoint = ["/x"]\n'


def written(folder: Path, text: str) -> Path:
    (folder / "x.toml").write_text(text)
    return folder / "x.toml"


@pytest.mark.parametrize("path", sorted(IMAGES.glob("*.toml")), ids=lambda path: path.stem)
def test_our_descriptions_name_what_exists(path: Path) -> None:
    image = description.read_image(path, "1")
    assert image.tag == f"docker.io/tulle/{path.stem}:1"
    description.read_rootfs(IMAGES / "rootfs" / f"{image.base}.toml")
    if image.wheels:
        pins = (IMAGES / "wheels" / image.wheels).read_text().splitlines()
        assert all("==" in line and "--hash=sha256:" in line for line in pins)
    assert int(image.user) > 0, "no image runs as root by itself"


def test_a_key_that_nothing_reads_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, MINIMAL + 'entry_point = ["/y"]\n')
    with pytest.raises(description.BadDescription, match="nothing is known of entry_point"):
        description.read_image(path, "1")


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, MINIMAL.replace("base", "bass"))
    with pytest.raises(description.BadDescription, match="`base` must be given"):
        description.read_image(path, "1")
    with pytest.raises(description.BadDescription, match="does not exist"):
        description.read_image(tmp_path / "y.toml", "1")


def test_bad_toml_is_named_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(description.BadDescription, match=r"x\.toml: .*line 1"):
        description.read_image(written(tmp_path, "image = \n"), "1")
