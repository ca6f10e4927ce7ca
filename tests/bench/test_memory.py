"""The table of memory: units are read rightly, and the page is written anew in its place."""

import pytest

from bench import memory

ROWS = [
    {"pod": "tulle-identity", "container": "identity", "working_set_mib": 29},
    {"pod": "tulle-identity", "container": "tulle-proxy", "working_set_mib": 2},
    {"pod": "web", "container": "tulle-proxy", "working_set_mib": 5},
    {"pod": "todoui", "container": "todoui", "working_set_mib": 24},
]
RESULT = {
    "date": "2026-11-26T21:00:00+00:00",
    "load": {"minutes": 10, "rps": 5, "pages": 3000, "failures": 0, "questions": 120},
    "scrape_interval": "10s",
    "load_average": 1.5,
    "containers": [{**row, "anonymous_mib": 1.5, "pss_mib": 2.5} for row in ROWS],
}


@pytest.mark.parametrize(
    ("quantity", "mebibytes"), [("30720Ki", 30), ("29Mi", 29), ("1Gi", 1024), ("1048576", 1)]
)
def test_quantities_of_the_metrics_api(quantity, mebibytes):
    assert memory.mebibytes(quantity) == mebibytes


def test_the_table_names_our_containers_and_sums_up_proxies():
    lines = memory.table(RESULT).splitlines()[2:]
    assert lines == [
        "| identity | tulle-identity | 29 Mi | 1.5 MiB | 2.5 MiB | 30 Mi | 47 Mi |",
        "| tulle-proxy | all 2 | 2 to 5 Mi | 1.5 to 1.5 MiB | 2.5 to 2.5 MiB | - | 12 Mi |",
    ]


def test_the_page_is_written_anew_in_its_place():
    page = f"before\n{memory.BEGIN}\nold\n{memory.END}\nafter\n"
    once = memory.written(page, RESULT)
    assert once.startswith(f"before\n{memory.BEGIN}\n`python bench/memory.py`, 2026-11-26")
    assert "old" not in once
    assert once.endswith(f"{memory.END}\nafter\n")
    assert memory.written(once, RESULT) == once
