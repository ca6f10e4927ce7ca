"""The last sample of the whole mesh, which answers most questions without asking anybody again."""

from dataclasses import dataclass, field
from typing import Any

from tulle.viz.web.store import STEP_SECONDS

Json = dict[str, Any]

FRESH_SECONDS = 1.5 * STEP_SECONDS  # a sample that is older has a successor that failed


@dataclass(slots=True)
class Recent:
    """What `/api/graph` of metrics-api last said; `time` 0: nothing yet."""

    time: float = 0.0
    graph: Json = field(default_factory=dict)
    failure: str = ""  # why the last attempt brought nothing

    def is_fresh(self, now: float) -> bool:
        return bool(self.graph) and now - self.time < FRESH_SECONDS
