"""What a user can set or read is documented: flags, annotations, variables, metrics."""

import importlib
import re
from pathlib import Path

import pytest

from tulle import names
from tulle.cli.doc import described
from tulle.injector import annotations

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "reference"
PROXY = ROOT / "crates" / "proxy" / "src"
COMPONENTS = sorted(
    ".".join(path.relative_to(ROOT / "src").with_suffix("").parts)
    for path in (ROOT / "src").rglob("*.py")
    if re.search(r"^def parser\(\)", path.read_text(), re.M)
)
METRIC = re.compile(
    r'"([a-z][a-z0-9_]*_(?:total|seconds|bytes|info|fds|threads|endpoints|length|count|connections'
    r'|ms))"'
)


def page(name):
    return (PAGES / name).read_text()


def everything():
    return "\n".join(path.read_text() for path in PAGES.glob("*.md"))


def without_tests(path):
    return path.read_text().partition("#[cfg(test)]")[0]


def rust(*parts):
    """Sources of a file and of the folder of its name, without tests."""
    root = PROXY.joinpath(*parts)
    paths = [root.with_suffix(".rs"), *sorted(root.rglob("*.rs"))]
    return "\n".join(without_tests(path) for path in paths if not path.name.endswith("tests.rs"))


def test_the_page_of_commands_is_what_the_commands_say(tulle):
    done = tulle("doc")
    assert done.returncode == 0, done.stderr
    assert done.stdout == page("cli.md"), "run: tulle doc > docs/reference/cli.md"


def test_every_flag_says_what_it_means():
    silent = [
        (command.path, flag.names)
        for command in described()
        for flag in command.flags
        if not flag.help
    ]
    assert silent == []


@pytest.mark.parametrize("module", COMPONENTS)
def test_every_flag_of_a_component_is_documented(module):
    text = everything()
    parser = importlib.import_module(module).parser()
    flags = [flag for action in parser._actions for flag in action.option_strings]
    missing = [flag for flag in flags if flag not in ("-h", "--help") and f"{flag}`" not in text]
    assert missing == []


def test_every_annotation_is_documented():
    text = page("annotations.md")
    missing = [
        name for name in {*annotations.CONFIG, *annotations.ELSEWHERE} if f"`{name}`" not in text
    ]
    assert missing == []
    constants = {
        value
        for key, value in vars(names).items()
        if key.endswith("_ANNOTATION") and isinstance(value, str)
    }
    known = everything()
    assert [value for value in sorted(constants) if value.partition("/")[2] not in known] == []


def test_every_variable_of_the_proxy_is_documented():
    text = page("proxy.md")
    words = set(re.findall(r'"\{?(?:\w+\}_)?([A-Z][A-Z0-9_]{3,})"', rust("config")))
    words -= {"INBOUND", "OUTBOUND", "JITTER"}
    assert len(words) > 60, "the settings are written in another way now"
    assert sorted(word for word in words if word not in text) == []


def test_every_variable_of_the_command_line_is_documented():
    text = everything()
    sources = [*(ROOT / "src" / "tulle" / "cli").glob("*.py")]
    sources += (ROOT / "src" / "tulle" / "local").glob("*.py")
    sources += (ROOT / "src" / "tulle" / "k8s").glob("*.py")
    found = {
        name
        for path in sources
        for name in re.findall(r'environ(?:\.get\(|\[)"([A-Z_]+)"', path.read_text())
    }
    ours = found - {"PATH", "PYTHONPATH", "HOME", "GOMEMLIMIT"}
    ours -= {"KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"}  # Kubernetes sets them
    assert {"TULLE_NAMESPACE", "NO_COLOR"} <= ours
    assert sorted(name for name in ours if f"`{name}`" not in text) == []


def test_every_metric_of_the_proxy_is_documented():
    """A family's name is put together from a stem and what the source says of it."""
    text = page("metrics.md")
    source = rust("telemetry", "metrics")
    found = {*METRIC.findall(source), *re.findall(r'counter\(\s*"([a-z][a-z0-9_]+)"', source)}
    assert len(found) > 50, "the families are written in another way now"
    assert sorted(name for name in found if name not in text) == []
