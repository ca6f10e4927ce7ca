"""Quantiles of cumulative buckets, by the rule of PromQL's histogram_quantile. Pure.

To sum the buckets is what costs Prometheus time, so they are asked for once, and all quantiles are
read out of them here.
"""

from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterable
from itertools import accumulate
from math import inf
from typing import TypeVar

from tulle.viz.prometheus import Sample
from tulle.viz.queries import QUANTILES

BOUND = "le"
Key = TypeVar("Key", bound=Hashable)


def by_key(
    samples: Iterable[Sample], key: Callable[[Sample], Key], names: Iterable[str] = QUANTILES
) -> dict[Key, dict[str, float]]:
    """Of buckets of many groups. A group of which nothing was observed has no quantiles."""
    groups: dict[Key, dict[float, float]] = {}
    for sample in samples:
        bound = float(sample.labels[BOUND])
        counts = groups.setdefault(key(sample), {})
        counts[bound] = counts.get(bound, 0.0) + sample.value
    wanted = {name: QUANTILES[name] for name in names}
    found: dict[Key, dict[str, float]] = {}
    for group, counts in groups.items():
        values = {name: quantile(share, counts) for name, share in wanted.items()}
        found[group] = {name: value for name, value in values.items() if value is not None}
    return found


def quantile(share: float, counts: dict[float, float]) -> float | None:
    """`counts`: by upper bound, how much lies at or below it. None: nothing was observed, or there
    is no bucket without a bound.

    Within a bucket values are taken to lie evenly; what lies above the last bound counts as that.
    """
    bounds = sorted(counts)
    if len(bounds) < 2 or bounds[-1] != inf:
        return None
    # A scrape between two increments of one histogram can leave a bucket below the one before it.
    cumulative = list(accumulate((counts[bound] for bound in bounds), max))
    if not cumulative[-1] > 0:
        return None
    rank = share * cumulative[-1]
    place = bisect_left(cumulative, rank, hi=len(bounds) - 1)
    if place == len(bounds) - 1:
        return bounds[-2]
    if place == 0 and bounds[0] <= 0:
        return bounds[0]
    below, start = (cumulative[place - 1], bounds[place - 1]) if place else (0.0, 0.0)
    share = (rank - below) / (cumulative[place] - below)
    return start + (bounds[place] - start) * share
