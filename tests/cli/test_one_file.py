"""The command line as one file, in an environment that knows nothing of this checkout."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tulle import names

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
# Certificates are made anew by each install; these are given.
CERTIFICATES = ("--identity-external-issuer", "--identity-external-ca")
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "web:1"}]}
"""


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    output = tmp_path_factory.mktemp("dist") / "tulle"
    command = [sys.executable, str(ROOT / "tools" / "one_file.py"), "--output", str(output)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return output


@pytest.fixture(scope="session")
def python(tmp_path_factory):
    """A folder with a CPython 3.11 that has no packages of ours: the only one on PATH."""
    base = Path(sys.base_prefix) / "bin" / "python3.11"
    if not base.exists():
        pytest.skip(f"{base} is not there, and the file needs a Python 3.11 without packages")
    folder = tmp_path_factory.mktemp("python")
    (folder / "python3.11").symlink_to(base)
    return folder


@pytest.fixture
def run(built, python, tmp_path):
    """Fetched, made executable and run, far from the checkout."""
    program = shutil.copy(built, tmp_path / "tulle")
    program.chmod(0o755)
    home = python / "home"

    def call(*words, stdin=""):
        environment = {"PATH": f"{python}:/usr/bin:/bin", "HOME": str(home), "LANG": "C.UTF-8"}
        done = subprocess.run(
            [str(program), *words],
            input=stdin,
            cwd="/",
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return call


def test_it_is_the_program(run):
    assert run("version", "--client") == f"Client version: {names.VERSION}\n"


@pytest.mark.parametrize(
    ("words", "stdin"),
    [
        (("install", "--ignore-cluster", "--crds"), ""),
        (("install", "--ignore-cluster", *CERTIFICATES), ""),
        (("viz", "allow-scrapes", "-n", "shop"), ""),
        (("inject", "--ignore-cluster", "-"), DEPLOYMENT),
        (("uninject", "-"), DEPLOYMENT),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_it_prints_what_the_installed_program_prints(run, tulle, words, stdin):
    expected = tulle(*words, stdin=stdin)
    assert expected.returncode == 0, expected.stderr
    assert without_secrets(run(*words, stdin=stdin)) == without_secrets(expected.stdout)


def without_secrets(text):
    """Without the serving certificates of webhooks, which no two installs share."""
    lines = text.splitlines()
    return [line for line in lines if not any(key in line for key in RENEWED)]


RENEWED = ("caBundle:", "tls.crt:", "tls.key:", "tulle.dev/checksum", "checksum/")


def test_what_it_starts_of_its_own_is_found(run):
    """`tulle check` runs the checks of viz by the interpreter that it runs in."""
    assert "viz" in run("viz", "check", "--help")


def test_the_file_needs_nothing_of_the_checkout(built):
    assert str(ROOT).encode() not in built.read_bytes()
    assert os.access(built, os.X_OK)
