"""The templates that lie in the charts are those that `make charts` writes."""

import charts


def test_the_templates_are_what_the_sources_say():
    written = charts.written()
    changed = [path for path, text in written.items() if not is_file_with(path, text)]
    assert changed == [], "run: make charts"
    for chart in charts.CHARTS:
        folder = charts.ROOT / chart.name / "templates"
        left_over = {path for path in folder.iterdir() if path.name != "_values.tpl"} - {*written}
        assert left_over == set()


def is_file_with(path, text):
    return path.exists() and path.read_text() == text
