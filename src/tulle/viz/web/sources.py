"""Whom the dashboard asks. All of it is handed in, so that a test can play any of them."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from tulle import names
from tulle.k8s.client import Client
from tulle.viz.web.journal import Journal
from tulle.viz.web.live import Live
from tulle.viz.web.recent import Recent
from tulle.viz.web.store import Store

Json = dict[str, Any]


class MetricsApi(Protocol):
    """metrics-api. Raises `metrics.Unanswered` with what a browser is told."""

    async def get(self, path: str, query: dict[str, str]) -> Json: ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where the mesh and viz are, and by which names."""

    namespace: str = names.VIZ_NAMESPACE
    control_namespace: str = names.CONTROL_NAMESPACE
    cluster_domain: str = names.CLUSTER_DOMAIN
    trust_domain: str = names.CLUSTER_DOMAIN


@dataclass(frozen=True, slots=True)
class Sources:
    metrics: MetricsApi
    history: Store
    recent: Recent = field(default_factory=Recent)
    journal: Journal = field(default_factory=Journal)
    live: Live | None = None  # None: nothing can be tapped
    api: Client | None = None  # the API server; None: nothing is asked of it or written
    clock: Callable[[], float] = time.time
    place: Place = field(default_factory=Place)
