"""The table of made-up rounds, and how it gets into the document."""

import pytest

from bench.sidecars import document, table


def a_round(label, rps, cpu):
    spent = {"client": cpu, "server": cpu, "backend": 1.0}
    h1 = {"rps": rps, "requests": 100_000, "errors": 0, "cpu_seconds": spent}
    return {"label": label, "workloads": {"h1": h1}}


ROUNDS = [a_round("none", 90, 0), a_round("nginx", 10, 2), a_round("tulle", 20, 1)]
ROUNDS += [a_round("nginx", 30, 4), a_round("tulle", 20, 1), a_round("tulle", 26, 2)]


def row(name):
    lines = table.lines(ROUNDS, "tulle")
    return next(line for line in lines if line.startswith(f"| {name} "))


def test_a_cell_shows_median_and_extremes_and_the_last_the_ratio():
    assert row("h1: requests/s") == "| h1: requests/s | 90 | 20 [10..30] | 20 [20..26] | 1.00 |"


def test_the_pair_is_both_sides_and_never_the_backend():
    expected = (
        "| h1: CPU-s per 100k requests, pair | 0.00 | 6.00 [4.00..8.00] | 2.00 [2.00..4.00] |"
    )
    assert row("h1: CPU-s per 100k requests, pair") == f"{expected} 0.33 |"


def test_what_nobody_measured_has_no_row():
    assert not any("h2" in line for line in table.lines(ROUNDS, "tulle"))


RESULT = {
    "date": "2026-11-26T22:45:00+00:00",
    "machine": {"cores": 2, "memory_gib": 24, "kernel": "6.18", "load_average": 0.1},
    "seconds_per_workload": 4,
    "skipped": {"linkerd2": "it is not there"},
    "rounds": ROUNDS,
}


def test_the_document_keeps_what_people_wrote(tmp_path):
    file = tmp_path / "performance.md"
    file.write_text(f"before\n{document.BEGIN}\nold\n{document.END}\nafter\n")
    document.update(file, RESULT)
    text = file.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "linkerd2 was skipped: it is not there." in text
    document.update(file, RESULT)
    assert file.read_text() == text


def test_a_document_without_marks_is_left_alone(tmp_path):
    file = tmp_path / "performance.md"
    file.write_text("before")
    with pytest.raises(document.NoPlace):
        document.update(file, RESULT)
    assert file.read_text() == "before"
