"""What the status of a rate limit or of an egress network says: whether it counts. Pure."""

from typing import Any

from tulle.index.index import Reader
from tulle.index.policies import EgressNetwork, RateLimit
from tulle.routes import POLICY_GROUP

Json = dict[str, Any]

ACCEPTED, NO_TARGET, CONFLICTED = "Accepted", "NoMatchingTarget", "Conflicted"


def of_rate_limit(reader: Reader, item: RateLimit) -> str:
    """One Server has one rate limit: of several the oldest, and the others are told so."""
    servers = reader.in_namespace("Server", item.namespace)
    if not any(server.name == item.server for server in servers):
        return NO_TARGET
    limits: list[RateLimit] = reader.in_namespace("RateLimit", item.namespace)
    rivals = [limit for limit in limits if limit.server == item.server]
    oldest = min(rivals, key=lambda limit: (limit.created, limit.name), default=item)
    return ACCEPTED if oldest.name == item.name else CONFLICTED


def of_egress_network(_reader: Reader, _item: EgressNetwork) -> str:
    """One that could be read is followed."""
    return ACCEPTED


def status(item: Json, reason: str, now: str) -> Json | None:
    """The status put right; None: it is right already. A condition keeps the time of its change."""
    before = item.get("status") or {}
    is_accepted = reason == ACCEPTED
    made: Json = {
        "type": "Accepted",
        "status": "True" if is_accepted else "False",
        "reason": reason,
        "message": "",
    }
    conditions = before.get("conditions") or []
    for old in conditions:
        if all(old.get(key) == value for key, value in made.items()):
            return None
    others = [old for old in conditions if old.get("type") != "Accepted"]
    target = item["spec"].get("targetRef")
    found = {**before, "conditions": [*others, {**made, "lastTransitionTime": now}]}
    if target is not None:
        named = {key: target[key] for key in ("group", "kind", "name") if target.get(key)}
        found["targetRef"] = {"group": POLICY_GROUP, "kind": "Server", **named}
    return found
