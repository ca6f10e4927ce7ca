"""HTTPRouteGroups of every version come to the same matches."""

import pytest

from tulle.index.splits import route_group

ONE = {"name": "one", "pathRegex": "/a", "methods": ["GET"], "headers": {"user": "me"}}
VERSIONS = {
    "since v1alpha3, in the specification": {"spec": {"matches": [ONE]}},
    "before, beside it": {"matches": [ONE]},
    "headers as a list": {"spec": {"matches": [{**ONE, "headers": [{"user": "me"}]}]}},
}


@pytest.mark.parametrize("item", VERSIONS.values(), ids=VERSIONS)
def test_a_match_has_path_method_and_headers(item):
    (match,) = route_group(item).matches
    assert (match.path.kind, match.path.value, match.method) == ("regex", "/a", "GET")
    assert [(header.name, header.kind, header.value) for header in match.headers] == [
        ("user", "regex", "me")
    ]


@pytest.mark.parametrize("methods", [["*"], ["GET", "*"], [], None])
def test_every_method_is_one_match_without_a_method(methods):
    (match,) = route_group({"spec": {"matches": [{"name": "one", "methods": methods}]}}).matches
    assert (match.path, match.method, match.headers) == (None, None, ())


def test_a_group_without_matches_fits_nothing():
    assert route_group({"spec": {}}).matches == ()
