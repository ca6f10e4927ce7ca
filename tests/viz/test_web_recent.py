"""The last sample, which is kept packed."""

import json

from tulle.viz.web.recent import FRESH_SECONDS, Recent


def test_the_last_sample_is_what_was_seen_and_grows_old():
    recent, seen = Recent(failure="away"), {"nodes": [{"ref": ["pod", "shop", "é"], "rps": 0.1}]}
    assert (recent.graph, recent.is_fresh(0.0)) == ({}, False)
    recent.see(1000.0, seen)
    assert (recent.graph, recent.failure) == (seen, "")
    assert recent.graph is not recent.graph
    assert recent.is_fresh(1000.0)
    assert not recent.is_fresh(1000.0 + FRESH_SECONDS)


def test_a_large_mesh_is_kept_small():
    nodes = [{"ref": ["deployment", "shop", f"web-{n}"], "rps": n / 7} for n in range(500)]
    recent = Recent()
    recent.see(1000.0, {"nodes": nodes})
    assert len(recent._packed) < len(json.dumps(nodes)) / 2
    assert recent.graph["nodes"] == nodes
