"""The JSONPath that tap takes."""

import pytest

from tulle.cli.jsonpath import BadPath, template

EVENT = {
    "source": {"ip": "10.0.0.1", "port": 80, "metadata": {"app.kubernetes.io/name": "web"}},
    "headers": [{"name": "a"}, {"name": "b"}],
}


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("{.source.ip}", "10.0.0.1"),
        ("{$.source.port}", "80"),
        ("{@.source['ip']}", "10.0.0.1"),
        ("{.source.metadata['app.kubernetes.io/name']}", "web"),
        ('{.source.ip}{"\\t"}{.source.port}', "10.0.0.1\t80"),
        ("from {.source.ip}!", "from 10.0.0.1!"),
        ("{.headers[0].name} {.headers[-1].name}", "a b"),
        ("{.headers[*].name}", "a b"),
        ("{.headers[7].name}{.nothing.at.all}", ""),
        ("{.headers}", '[{"name": "a"}, {"name": "b"}]'),
        ("{'literal' }".replace("'", '"'), "literal"),
    ],
)
def test_values(path, shown):
    assert template(path)(EVENT) == shown


@pytest.mark.parametrize("path", ["", "{.a", "{source}", "{.a[?(@.b==1)]}", "{range .a[*]}", "}"])
def test_what_is_not_known_is_refused(path):
    with pytest.raises(BadPath):
        template(path)
