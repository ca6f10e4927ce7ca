"""Quantiles of buckets, beside those of Prometheus itself."""

import asyncio
import random
import subprocess
from math import inf

import pytest
import yaml

from tulle.viz.prometheus import Sample
from tulle.viz.quantiles import QUANTILES, by_key, quantile

BOUNDS = [1, 2, 3, 4, 5, 10, 50, 100, 1000, inf]


def text(bound):
    return "+Inf" if bound == inf else f"{bound:g}"


def histograms():
    """Many made-up ones: some without observations, some with a bucket below the one before it."""
    chance = random.Random(20261127)
    for number in range(60):
        bounds = sorted(chance.sample(BOUNDS, chance.randint(2, len(BOUNDS))))
        if number % 10 == 0:
            bounds = [-4, 0, *bounds]
        count, counts = 0.0, {}
        for bound in bounds:
            if number % 7:
                count += chance.choice([0, 0, chance.uniform(0, 20), chance.randint(0, 9)])
            counts[bound] = count
        if number % 5 == 0:
            counts[chance.choice(bounds)] *= 0.5
        yield counts


async def test_they_are_those_that_prometheus_computes(promtool, tmp_path):
    series, cases, is_known = [], [], []
    for number, counts in enumerate(histograms()):
        for bound, count in counts.items():
            labels = f'n="{number}",le="{text(bound)}"'
            series.append({"series": f"b{{{labels}}}", "values": f"{count!r}"})
        for share in QUANTILES.values():
            found = quantile(share, counts)
            is_known.append(found is not None)
            expected = [] if found is None else [{"labels": f'{{n="{number}"}}', "value": found}]
            # What is no number is not equal to itself, so it leaves the vector.
            asked = f'histogram_quantile({share}, b{{n="{number}"}})'
            expression = f"{asked} == {asked}"
            cases.append({"expr": expression, "eval_time": "0m", "exp_samples": expected})
    assert set(is_known) == {True, False}
    tests = [{"interval": "1m", "input_series": series, "promql_expr_test": cases}]
    file = tmp_path / "quantiles.yaml"
    file.write_text(yaml.safe_dump({"tests": tests}))
    command = [promtool, "test", "rules", file]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({10: 5.0, 20: 10.0, inf: 10.0}, 10.0),
        ({10: 2.5, 20: 10.0, inf: 10.0}, 10.0 + 10.0 / 3),
        ({10: 0.0, inf: 4.0}, 10),  # above the last bound: not less than it
        ({10: 0.0, inf: 0.0}, None),
        ({10: 5.0, 20: 10.0}, None),
        ({}, None),
    ],
)
def test_the_middle(counts, expected):
    assert quantile(0.5, counts) == (None if expected is None else pytest.approx(expected))


def test_buckets_of_one_group_are_added_up():
    rows = [("web", "5", 1), ("web", "5.0", 3), ("web", "+Inf", 4), ("cart", "+Inf", 1)]
    samples = [Sample({"app": app, "le": bound}, count) for app, bound, count in rows]
    found = by_key(samples, lambda sample: sample.labels["app"], ["p50"])
    assert found == {"web": {"p50": 2.5}, "cart": {}}
