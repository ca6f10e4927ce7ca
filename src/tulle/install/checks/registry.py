"""Which checks belong to which question, in the order in which they are printed."""

from enum import Enum

from tulle.install.checks.cni import CNI
from tulle.install.checks.existence import CONFIG, DEFINITIONS, EXISTENCE
from tulle.install.checks.facts import (
    Ask,
    basic_questions,
    definition_questions,
    expected_version,
    install_questions,
    pre_questions,
)
from tulle.install.checks.injection import INJECTION
from tulle.install.checks.kubernetes import API, EXTENSIONS, GATEWAY, PRE, VERSION
from tulle.install.checks.model import Category
from tulle.install.checks.proxies import (
    CLIENT_VERSION,
    CONTROL_PROXY,
    CONTROL_VERSION,
    DATA_PLANE,
    HIGH_AVAILABILITY,
)
from tulle.install.checks.trust import IDENTITY, IDENTITY_DATA_PLANE, WEBHOOKS


class Scope(Enum):
    """What is asked: a fit cluster, the definitions, a well control plane, or the proxies too."""

    PRE = "pre"
    DEFINITIONS = "crds"
    INSTALL = "install"
    PROXY = "proxy"


CLUSTER = (API, VERSION, GATEWAY, CLIENT_VERSION)
CONTROL_PLANE = (*CLUSTER, EXISTENCE, CONFIG, CNI, IDENTITY, WEBHOOKS)
CATEGORIES: dict[Scope, tuple[Category, ...]] = {
    Scope.PRE: (*CLUSTER, PRE),
    Scope.DEFINITIONS: (*CLUSTER, DEFINITIONS),
    Scope.INSTALL: (
        *CONTROL_PLANE,
        CONTROL_VERSION,
        CONTROL_PROXY,
        INJECTION,
        HIGH_AVAILABILITY,
        EXTENSIONS,
    ),
    Scope.PROXY: (
        *CONTROL_PLANE,
        IDENTITY_DATA_PLANE,
        CONTROL_PROXY,
        DATA_PLANE,
        INJECTION,
        HIGH_AVAILABILITY,
    ),
}


def questions(scope: Scope, namespace: str, expected: str | None = None) -> dict[str, Ask]:
    """What must be asked of the API server to judge a scope, and what else is to be judged."""
    return _asked(scope, namespace) | (expected_version(expected) if expected else {})


def _asked(scope: Scope, namespace: str) -> dict[str, Ask]:
    if scope is Scope.PRE:
        return basic_questions() | pre_questions(namespace)
    if scope is Scope.DEFINITIONS:
        return basic_questions() | definition_questions()
    return basic_questions() | install_questions(namespace)
