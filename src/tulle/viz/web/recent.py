"""The last sample of the whole mesh, which answers most questions without asking anybody again."""

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass(slots=True)
class Recent:
    """What `/api/graph` of metrics-api last said; `time` 0: nothing yet."""

    time: float = 0.0
    graph: Json = field(default_factory=dict)
    failure: str = ""  # why the last attempt brought nothing
