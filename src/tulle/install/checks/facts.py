"""All that the checks look at, asked of the API server concurrently and once per round."""

import asyncio
import datetime
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from tulle import names
from tulle.install.objects import RBAC
from tulle.k8s.client import ApiError, Client, NotFound, Unreachable

Json = dict[str, Any]
Ask = Callable[[Client], Awaitable[Any]]

ADMISSION = "/apis/admissionregistration.k8s.io/v1"


class Unknown(Exception):
    """A fact that the API server did not tell; the message says why."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Answers by name; one that failed is its exception, raised when somebody looks at it."""

    namespace: str
    now: datetime.datetime
    answers: dict[str, Any]
    data_namespace: str | None = None
    extra: Json = field(default_factory=dict)

    def one(self, name: str) -> Json | None:
        """An object; None: there is none."""
        answer = self.answers[name]
        if isinstance(answer, NotFound):
            return None
        found: Json = self._known(answer)
        return found

    def many(self, name: str) -> list[Json]:
        answer = self.answers[name]
        if isinstance(answer, NotFound):
            return []
        found: list[Json] = self._known(answer)
        return found

    @staticmethod
    def _known(answer: Any) -> Any:
        if isinstance(answer, ApiError):
            raise Unknown(answer.message or str(answer)) from answer
        if isinstance(answer, Unreachable):
            raise Unknown(str(answer)) from answer
        return answer


def get(path: str) -> Ask:
    return lambda client: client.get(path)


def listing(path: str, selector: str | None = None) -> Ask:
    return lambda client: client.list(path, labelSelector=selector)


def basic_questions() -> dict[str, Ask]:
    return {"version": get("/version"), "groups": get("/apis")}


def review(group: str, resource: str, verb: str, namespace: str | None = None) -> Ask:
    """May we? Asked as a SelfSubjectAccessReview."""
    attributes = {"group": group, "resource": resource, "verb": verb}
    if namespace:
        attributes["namespace"] = namespace
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    return lambda client: client.create(path, body)


# What an install creates: API group, resource, and whether it is cluster-scoped.
CREATED = (
    ("", "namespaces", True),
    (RBAC, "clusterroles", True),
    (RBAC, "clusterrolebindings", True),
    ("apiextensions.k8s.io", "customresourcedefinitions", True),
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations", True),
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations", True),
    ("", "serviceaccounts", False),
    ("", "services", False),
    ("apps", "deployments", False),
    ("batch", "cronjobs", False),
    ("", "configmaps", False),
    ("", "secrets", False),
)


def expected_version(version: str) -> dict[str, Ask]:
    """No question: what the user says that this command line is to be."""

    async def known(_: Client) -> Json:
        return {"version": version}

    return {"expected version": known}


def pre_questions(namespace: str) -> dict[str, Ask]:
    questions = {
        f"create {resource}": review(group, resource, "create", None if wide else namespace)
        for group, resource, wide in CREATED
    }
    questions["get secrets"] = review("", "secrets", "get", namespace)
    questions["namespace"] = get(f"/api/v1/namespaces/{namespace}")
    questions["nodes"] = listing("/api/v1/nodes")
    questions["authentication"] = get(
        "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"
    )
    return questions


def definition_questions() -> dict[str, Ask]:
    return {"definitions": listing("/apis/apiextensions.k8s.io/v1/customresourcedefinitions")}


def install_questions(namespace: str) -> dict[str, Ask]:
    selector = f"{names.CONTROL_NAMESPACE_LABEL}={namespace}"
    core, apps = f"/api/v1/namespaces/{namespace}", f"/apis/apps/v1/namespaces/{namespace}"
    return definition_questions() | {
        "namespace": get(f"/api/v1/namespaces/{namespace}"),
        "namespaces": listing("/api/v1/namespaces"),
        "config": get(f"{core}/configmaps/{names.CONFIG_CONFIGMAP}"),
        "roots": get(f"{core}/configmaps/{names.TRUST_ROOTS_CONFIGMAP}"),
        "issuer": get(f"{core}/secrets/{names.ISSUER_SECRET}"),
        "validator tls": get(f"{core}/secrets/{names.POLICY_VALIDATOR_TLS_SECRET}"),
        "validator webhook": get(
            f"{ADMISSION}/validatingwebhookconfigurations/{names.POLICY_VALIDATOR_WEBHOOK_CONFIG}"
        ),
        "injector tls": get(f"{core}/secrets/{names.INJECTOR_TLS_SECRET}"),
        "accounts": listing(f"{core}/serviceaccounts"),
        "deployments": listing(f"{apps}/deployments"),
        "replicasets": listing(f"{apps}/replicasets"),
        "control pods": listing(f"{core}/pods", names.COMPONENT_LABEL),
        "cluster roles": listing(f"/apis/{RBAC}/v1/clusterroles", selector),
        "cluster role bindings": listing(f"/apis/{RBAC}/v1/clusterrolebindings", selector),
        "webhook": get(
            f"{ADMISSION}/mutatingwebhookconfigurations/{names.INJECTOR_WEBHOOK_CONFIG}"
        ),
        "nodes": listing("/api/v1/nodes"),
        "pods": listing("/api/v1/pods"),
        "cni": listing("/apis/apps/v1/daemonsets", f"{names.CNI_RESOURCE_LABEL}=true"),
        "services": listing("/api/v1/services"),
    }


async def gather(
    client: Client, namespace: str, questions: dict[str, Ask], data_namespace: str | None = None
) -> Facts:
    async def answered(ask: Ask) -> Any:
        try:
            return await ask(client)
        except (ApiError, Unreachable) as error:
            return error

    async with asyncio.TaskGroup() as tasks:
        answers = {name: tasks.create_task(answered(ask)) for name, ask in questions.items()}
    return Facts(
        namespace,
        datetime.datetime.now(datetime.UTC),
        {name: task.result() for name, task in answers.items()},
        data_namespace,
    )
