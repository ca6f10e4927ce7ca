"""What is printed is read by kubectl as it was meant."""

import yaml

from tulle.cli.manifest import text


def test_a_text_that_kubectl_takes_for_a_truth_is_quoted():
    """YAML 1.1 names y and n among its truths, and PyYAML alone leaves them out."""
    shown = text({"labels": {"a": "y", "b": "N", "c": "yes", "y": "z"}})
    assert shown == 'labels:\n  a: "y"\n  b: "N"\n  c: \'yes\'\n  "y": z\n'
    assert yaml.safe_load(shown)["labels"]["a"] == "y"
