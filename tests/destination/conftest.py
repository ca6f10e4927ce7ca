"""Every test begins with an empty cluster."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from world import World


@pytest.fixture
def world():
    return World()
