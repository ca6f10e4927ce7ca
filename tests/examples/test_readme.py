"""The example's README: its commands can be run, and what they name is there."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "examples" / "todo" / "README.md").read_text()
COMMANDS = re.findall(r"^```sh\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def test_every_fence_is_a_script() -> None:
    assert len(COMMANDS) >= 5
    for script in COMMANDS:
        read = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True)
        assert read.returncode == 0, read.stderr


def test_every_file_and_image_that_is_named_exists() -> None:
    text = "\n".join(COMMANDS)
    paths = set(re.findall(r"(?:examples|tools)/[\w./]+", text))
    assert {"examples/todo/backend.yaml", "examples/todo/load.py"} <= paths
    assert [path for path in paths if not (ROOT / path).is_file()] == []
    archives = set(re.findall(r"images/(\w+)\.tar", text))
    assert archives == {"todobackend", "todoui"}
    assert [name for name in archives if not (ROOT / "images" / f"{name}.toml").is_file()] == []
