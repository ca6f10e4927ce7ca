"""Sums that our Prometheus keeps at hand by recording rules, and the questions that they answer.

To sum all buckets of a large mesh takes longer than a user waits. Rules sum them once for each
scrape, by pod where requests are received, by both workloads where they are sent. A question that
they do not fit, and a Prometheus without them, is asked for the raw series. Pure.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from tulle import durations
from tulle.viz import queries
from tulle.viz.breakdown import matchers
from tulle.viz.queries import Traffic
from tulle.workload import metric_label

Json = dict[str, Any]

WINDOW = "1m"
OF_SENT_EVERY = 3  # scrapes
OWNERS = (
    "deployment",
    "statefulset",
    "daemonset",
    "cronjob",
    "job",
    "replicaset",
    "replicationcontroller",
)
LABELS = tuple(metric_label(kind) for kind in OWNERS)
RECEIVED = Traffic("inbound", {}, ("namespace", "pod", *LABELS))
SENT = Traffic(
    "outbound",
    {"dst_namespace": ""},
    (
        *("namespace", *LABELS, "authority", "dst_service"),
        *(f"dst_{label}" for label in ("namespace", *LABELS)),
    ),
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One series for each set of values of the group's labels and of `more`."""

    name: str
    traffic: Traffic
    more: tuple[str, ...]
    expression: str

    def answers(self, traffic: Traffic, window: str, more: Collection[str]) -> bool:
        """Whether all labels that a question names are there, and nothing that it counts is not."""
        kept = {*self.traffic.group, *self.more}
        return (
            durations.seconds(window) == durations.seconds(WINDOW)
            and traffic.direction == self.traffic.direction
            and not traffic.with_admin
            and kept.issuperset({*traffic.labels, *traffic.patterns, *traffic.group, *more})
            and self.traffic.labels.keys() <= traffic.labels.keys()
        )

    def summed(self, traffic: Traffic, *more: str) -> str:
        series = self.name + matchers(traffic.labels, **traffic.patterns)
        return f"sum({series}) {traffic.by(*more)}"


def _requests(traffic: Traffic, *tls: str) -> Rule:
    name = f"tulle:{traffic.direction}_response_total:increase{WINDOW}"
    return Rule(name, traffic, ("classification", *tls), queries.requests(traffic, WINDOW, *tls))


def _buckets(traffic: Traffic) -> Rule:
    name = f"tulle:{traffic.direction}_response_latency_ms_bucket:rate{WINDOW}"
    return Rule(name, traffic, ("le",), queries.buckets(traffic, WINDOW))


REQUESTS = (_requests(RECEIVED, "tls"), _requests(SENT, "tls", "no_tls_reason"))
BUCKETS = (_buckets(RECEIVED), _buckets(SENT))


def requests(known: Collection[str], traffic: Traffic, window: str, *more: str) -> str:
    """As `queries.requests`; `known` are the names of the rules that Prometheus evaluates."""
    for rule in REQUESTS:
        if rule.name in known and rule.answers(traffic, window, more):
            return rule.summed(traffic, "classification", *more)
    return queries.requests(traffic, window, *more)


def buckets(known: Collection[str], traffic: Traffic, window: str) -> str:
    """As `queries.buckets`."""
    for rule in BUCKETS:
        if rule.name in known and rule.answers(traffic, window, ()):
            return rule.summed(traffic, "le")
    return queries.buckets(traffic, window)


def rule_file(scrape_interval: str) -> Json:
    """For Prometheus' `rule_files`.

    The buckets of what is sent are most of a mesh's series, so their turn comes less often.
    """
    seldom = f"{OF_SENT_EVERY * durations.seconds(scrape_interval):g}s"
    received, sent = BUCKETS
    return {
        "groups": [
            {"name": "tulle-viz", "rules": [_entry(rule) for rule in (*REQUESTS, received)]},
            {"name": "tulle-viz-sent", "interval": seldom, "rules": [_entry(sent)]},
        ]
    }


def _entry(rule: Rule) -> Json:
    return {"record": rule.name, "expr": rule.expression}
