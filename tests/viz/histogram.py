"""Histograms as Prometheus gives them."""


def buckets(labels, p50, p95, p99, unit=1.0):
    """Samples of a histogram with these quantiles, in milliseconds; `unit`: its own in those."""
    counts = {p50: 50, p95: 95, p99: 99}
    shown = {f"{bound / unit:g}": count for bound, count in counts.items()} | {"+Inf": 100}
    return [({**labels, "le": bound}, count) for bound, count in shown.items()]
