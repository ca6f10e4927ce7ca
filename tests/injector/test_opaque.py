"""Services get the opaque-ports annotation for the well-known ports that they lead to."""

import pytest

from tulle.injector.opaque import annotate_service
from tulle.injector.settings import Settings

KEY = "config.linkerd.io/opaque-ports"


@pytest.mark.parametrize(
    ("ports", "annotation"),
    [
        ([{"port": 3306}], "3306"),
        ([{"port": 3306, "targetPort": 3306}, {"port": 80, "targetPort": 8080}], "3306"),
        ([{"port": 80, "targetPort": 5432}], "80"),
        ([{"port": 3306, "targetPort": 80}], None),
        ([{"port": 3306, "targetPort": "mysql"}], None),
        ([{"port": 25}, {"port": 6379}], "25,6379"),
        ([], None),
    ],
)
def test_by_default(ports, annotation) -> None:
    found = annotate_service({"metadata": {}, "spec": {"ports": ports}}, Settings(), {})
    assert (found["metadata"].get("annotations") or {}).get(KEY) == annotation


def test_ranges_of_ports() -> None:
    settings = Settings(opaque_ports="3000-4000")
    found = annotate_service({"spec": {"ports": [{"port": 3306}]}}, settings, {})
    assert found["metadata"]["annotations"] == {KEY: "3306"}


def test_its_own_wins_over_its_namespace_and_that_over_the_default() -> None:
    service = {"metadata": {}, "spec": {"ports": [{"port": 3306}]}}
    inherited = annotate_service(service, Settings(), {KEY: "99"})
    assert inherited["metadata"]["annotations"][KEY] == "99"
    own = {"metadata": {"annotations": {KEY: ""}}, "spec": service["spec"]}
    assert annotate_service(own, Settings(), {KEY: "99"}) is own
    assert service["metadata"] == {}
