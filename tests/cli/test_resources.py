"""The words by which a user names objects."""

import pytest

from tulle.cli.resources import Resource, resources
from tulle.cli.target import Failure


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("deploy",), [Resource("deployment")]),
        (("deploy/web",), [Resource("deployment", "web")]),
        (("deployments", "web"), [Resource("deployment", "web")]),
        (("po", "a", "b"), [Resource("pod", "a"), Resource("pod", "b")]),
        (("sts/a", "ds/b"), [Resource("statefulset", "a"), Resource("daemonset", "b")]),
        (("all",), [Resource("all")]),
        (("srvauthz/x",), [Resource("serverauthorization", "x")]),
    ],
)
def test_forms(words, found):
    assert resources(words) == found


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "name an object"),
        (("things",), "there is no kind of object called 'things'"),
        (("Deploy/web",), "'Deploy'"),
        (("deploy/",), "does not name an object"),
        (("deploy/a/b",), "does not name an object"),
        (("deploy/a", "deploy/a"), "named twice"),
        (("deploy", "po/a"), "one kind and names"),
    ],
)
def test_refusals(words, said):
    with pytest.raises(Failure, match=said):
        resources(words)
