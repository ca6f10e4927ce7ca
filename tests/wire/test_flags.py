"""Every flag is told, and what is no value is refused."""

from pathlib import Path

import pytest

from tulle.discovery import cluster_of, parser

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "discovery.md"


def test_every_flag_stands_in_the_reference():
    told = DOCUMENT.read_text()
    options = parser()._option_string_actions
    flags = [flag for flag in options if flag.startswith("--") and flag != "--help"]
    assert len(flags) > 5
    assert [flag for flag in flags if f"`{flag}`" not in told] == []


def test_the_defaults_make_a_cluster():
    cluster = cluster_of(parser().parse_args([]))
    assert not cluster.transports_always
    assert cluster.h2_upgrade
    assert 3306 in cluster.default_opaque_ports
    assert len(cluster.networks) == 5


@pytest.mark.parametrize(
    "words",
    [
        ["--default-policy", "maybe"],
        ["--cluster-networks", "10.0.0.1/8"],
        ["--outbound-transport-mode", "tunnel"],
        ["--enable-h2-upgrade", "perhaps"],
    ],
)
def test_a_wrong_value_is_refused(words, capsys):
    with pytest.raises(SystemExit) as caught:
        parser().parse_args(words)
    assert caught.value.code == 2
    assert words[0] in capsys.readouterr().err
