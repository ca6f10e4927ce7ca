"""Writes the templates and the schema of the charts tulle and tulle-viz, as `make charts` does.

python tools/charts.py    write them where they lie
"""

from pathlib import Path

from charting.control import CHART as CONTROL
from charting.viz import CHART as VIZ

ROOT = Path(__file__).resolve().parent.parent / "charts"
CHARTS = (CONTROL, VIZ)


def written() -> dict[Path, str]:
    """Every file that the charts consist of beside values and helpers, with its text."""
    return {
        ROOT / chart.name / name: text for chart in CHARTS for name, text in chart.files().items()
    }


def main() -> None:
    for path, text in written().items():
        path.write_text(text)


if __name__ == "__main__":
    main()
