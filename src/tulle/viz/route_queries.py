"""The questions of routes as PromQL. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from tulle.viz.queries import quoted


@dataclass(frozen=True, slots=True)
class Routes:
    """Whose series count, and for which authorities (without ports)."""

    direction: str
    labels: Mapping[str, str]
    authorities: tuple[str, ...]

    def matchers(self) -> str:
        names = "|".join(name.replace(".", r"\.") for name in self.authorities)
        parts = [f'direction="{self.direction}"', f"dst=~{quoted(f'({names})(:[0-9]+)?')}"]
        parts += [
            f"{key}={quoted(text)}" if text else f'{key}!=""' for key, text in self.labels.items()
        ]
        return "{" + ",".join(parts) + "}"


def responses(routes: Routes, family: str, window: str) -> str:
    change = f"increase({family}{routes.matchers()}[{window}])"
    return f"sum({change}) by (rt_route, dst, classification)"


def buckets(routes: Routes, window: str) -> str:
    change = f"rate(route_response_latency_ms_bucket{routes.matchers()}[{window}])"
    return f"sum({change}) by (le, rt_route, dst)"
