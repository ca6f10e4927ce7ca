"""What the chart tulle refuses: the checks of `install/validate.py`, as Helm can make them."""

from typing import Any

from charting.chart import Pattern
from tulle.install.validate import (
    CHOICES,
    DNS_NAME,
    DURATION,
    DURATIONS,
    LOG_FILTER,
    LOG_LEVELS,
    PORT_LISTS,
    QUANTITY,
    VERSION,
)
from tulle.install.workloads import ALLOW_REQUEST_HEADERS

Json = dict[str, Any]

_PORT = r"[0-9]{1,5}(-[0-9]{1,5})?"
_NETWORK = r"[0-9a-fA-F.:]+(/[0-9]{1,3})?"
_LEVEL = LOG_FILTER.pattern.removeprefix("^").removesuffix("$")

RULES: dict[str, Json] = {
    **{key: {"enum": list(allowed)} for key, allowed in CHOICES.items()},
    **{
        f"proxy.ports.{name}": {"minimum": 1, "maximum": 65535}
        for name in ("admin", "control", "inbound", "outbound")
    },
    **{
        f"{webhook}.timeoutSeconds": {"minimum": 1, "maximum": 30}
        for webhook in ("proxyInjector", "policyValidator")
    },
    **{key: {"minimum": 1} for key in ("controllerReplicas", "controllerUID", "proxy.uid")},
    "policyController.additionalArgs": {"items": {"enum": [ALLOW_REQUEST_HEADERS]}},
    "proxy.additionalEnv": {"items": {"type": "object", "required": ["name"]}},
}


def _listed(item: str) -> str:
    return rf"^\s*({item}\s*(,\s*{item}\s*)*)?$"


def _or_empty(pattern: str) -> str:
    return f"^$|{pattern}"


PATTERNS = {
    **{
        key: Pattern(DURATION.pattern, "a duration such as 300ms, 20s or 24h0m0s")
        for key in DURATIONS
    },
    **{key: Pattern(_listed(_PORT), "ports and ranges such as 25,8000-8010") for key in PORT_LISTS},
    **{
        key: Pattern(_listed(_NETWORK), "networks such as 10.0.0.0/8,fd00::/8")
        for key in ("clusterNetworks", "proxyInit.skipSubnets")
    },
    **{
        key: Pattern(DNS_NAME.pattern, "a lower-case DNS name")
        for key in ("clusterDomain", "identityTrustDomain")
    },
    **{
        key: Pattern(VERSION.pattern, "a version tag such as 0.1.0")
        for key in ("controllerImageVersion", "linkerdVersion", "proxy.image.version")
    },
    **{
        f"proxy.resources.{kind}.{word}": Pattern(
            _or_empty(QUANTITY.pattern), "a quantity such as 100m or 64Mi"
        )
        for kind in ("cpu", "memory", "ephemeral-storage")
        for word in ("request", "limit")
    },
    "proxy.logLevel": Pattern(
        rf"(?i)^\s*({_LEVEL})\s*(,\s*({_LEVEL})\s*)*$",
        f"levels ({', '.join(LOG_LEVELS)}) or target=level, separated by commas",
    ),
}
