"""Tulle, a service mesh: its control plane, its command line and its local cluster."""

import sys

# httpx would import its own command line, and click with it: a MiB in every component.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
