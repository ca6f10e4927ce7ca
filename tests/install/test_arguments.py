"""The arguments in the manifests are those that the components take."""

import pytest

from tulle import discovery
from tulle.identity.__main__ import parser as identity_parser
from tulle.injector.__main__ import parser as injector_parser
from tulle.install.plan import Given, values_from
from tulle.install.workloads import components

PARSERS = {
    "tulle.identity": identity_parser(),
    "tulle.discovery": discovery.parser(),
    "tulle.injector": injector_parser(),
}


@pytest.mark.parametrize("settings", [[], ["controllerLogLevel=trace,controllerLogFormat=json"]])
def test_every_component_takes_its_arguments(settings):
    values = values_from(Given(settings=settings))
    for component in components(values, "mesh"):
        parsed = PARSERS[component.module].parse_args(component.arguments)
        assert parsed.controller_namespace == "mesh"
        assert parsed.log_level == values["controllerLogLevel"]
