"""The last sample of the whole mesh, which answers most questions without asking anybody again."""

import json
import zlib
from dataclasses import dataclass
from typing import Any

from tulle.viz.web.store import STEP_SECONDS

Json = dict[str, Any]

FRESH_SECONDS = 1.5 * STEP_SECONDS  # a sample that is older has a successor that failed


@dataclass(slots=True)
class Recent:
    """What `/api/graph` of metrics-api last said; `time` 0: nothing yet.

    It is kept packed: of a large mesh, its objects are twenty times that, and most samples are
    followed by another before anybody looks.
    """

    time: float = 0.0
    failure: str = ""  # why the last attempt brought nothing
    _packed: bytes = b""

    def see(self, moment: float, graph: Json) -> None:
        text = json.dumps(graph, separators=(",", ":"))
        self.time, self.failure, self._packed = moment, "", zlib.compress(text.encode(), 1)

    @property
    def graph(self) -> Json:
        """A copy of its own for each who asks."""
        found: Json = json.loads(zlib.decompress(self._packed)) if self._packed else {}
        return found

    def is_fresh(self, now: float) -> bool:
        return bool(self._packed) and now - self.time < FRESH_SECONDS
