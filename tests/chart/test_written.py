"""The templates that lie in the charts are those that `make charts` writes."""

import charts

BY_HAND = ("_values.tpl", "NOTES.txt")


def test_the_templates_are_what_the_sources_say():
    written = charts.written()
    changed = [path for path, text in written.items() if not is_file_with(path, text)]
    assert changed == [], "run: make charts"
    for chart in charts.CHARTS:
        folder = charts.ROOT / chart.name / "templates"
        left_over = {path for path in folder.iterdir() if path.name not in BY_HAND} - {*written}
        assert left_over == set()


def is_file_with(path, text):
    return path.exists() and path.read_text() == text
