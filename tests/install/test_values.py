"""--set and values files: Helm's grammar, every unknown key and wrong type refused."""

import pytest

from tulle.install import charts
from tulle.install.plan import Given, values_from
from tulle.install.validate import quantity
from tulle.install.values import BadValue, laid_over, merge, parse_set, parse_set_file


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a=1", {"a": 1}),
        ("a.b.c=x", {"a": {"b": {"c": "x"}}}),
        ("a=1,b=true,c=null", {"a": 1, "b": True, "c": None}),
        ("a={x,y}", {"a": ["x", "y"]}),
        ("a={}", {"a": []}),
        (r"a=x\,y", {"a": "x,y"}),
        (r"a.kubernetes\.io/b=c", {"a": {"kubernetes.io/b": "c"}}),
        ("a[0].key=x,a[0].value=y,a[1].key=z", {"a": [{"key": "x", "value": "y"}, {"key": "z"}]}),
        ("a=007", {"a": "007"}),
        ("a=b=c", {"a": "b=c"}),
        ("a=", {"a": ""}),
    ],
)
def test_set(text, tree):
    assert parse_set(text) == tree


def test_set_string_keeps_text():
    assert parse_set("a=1,b=true", as_text=True) == {"a": "1", "b": "true"}


@pytest.mark.parametrize("text", ["a", "=1", "a[x]=1", "a[1]=x", "a=1,a.b=2"])
def test_set_that_makes_no_sense(text):
    with pytest.raises(BadValue, match="--set"):
        parse_set(text)


def test_set_file(tmp_path):
    path = tmp_path / "ca.crt"
    path.write_text("one\ntwo, three\n")
    assert parse_set_file(f"identityTrustAnchorsPEM={path}") == {
        "identityTrustAnchorsPEM": "one\ntwo, three\n"
    }
    with pytest.raises(BadValue, match="cannot read"):
        parse_set_file(f"a={tmp_path}/none")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("proxy.imag.name=x", "there is no value proxy.imag; did you mean proxy.image?"),
        ("nonsense=1", "there is no value nonsense"),
        ("controllerReplicas=many", "controllerReplicas is a number, not a text"),
        ("proxy=1", "proxy is a map, not a number"),
        ("proxy.await=yes", "proxy.await is true or false, not a text"),
        ("controllerReplicas=0", "controllerReplicas is 0; at least 1 is needed"),
        ("controllerUID=0", "never runs as root"),
        ("proxy.logLevel=loud=very", "'loud=very' is neither a level"),
        ("proxy.defaultInboundPolicy=open", "must be one of: all-unauthenticated"),
        ("proxy.ports.admin=0", "proxy.ports.admin is 0; a port lies between"),
        ("proxy.ports.admin=4143", "are both 4143"),
        ("proxyInit.ignoreInboundPorts=90-80", "the range 90-80 runs backwards"),
        ("proxyInit.ignoreInboundPorts=http", "'http' is not a port or a range"),
        ("clusterNetworks=10.0.0.0/33", "'10.0.0.0/33' is not a network"),
        ("proxy.resources.cpu.request=lots", "which is not a quantity"),
        (
            "proxy.resources.memory.request=2Gi,proxy.resources.memory.limit=500M",
            "the request 2Gi is above the limit 500M",
        ),
        ("identity.issuer.issuanceLifetime=day", "which is not a duration"),
        ("identity.issuer.scheme=vault", "it must be one of: linkerd.io/tls"),
        ("clusterDomain=Cluster_Local", "not a lower-case DNS name"),
        ("controllerImageVersion=a b", "not a version tag"),
    ],
)
def test_bad_values_are_refused_with_their_key(text, said):
    with pytest.raises(BadValue) as caught:
        values_from(Given(settings=[text]))
    assert said in str(caught.value)


def test_later_layers_win(tmp_path):
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text("controllerReplicas: 2\ncontrollerLogLevel: debug\n")
    second.write_text("controllerReplicas: 4\n")
    given = Given(
        files=[str(first), str(second)],
        settings=["controllerUID=7"],
        flags={"controllerUID": 8},
    )
    found = values_from(given)
    assert found["controllerReplicas"] == 4
    assert found["controllerLogLevel"] == "debug"
    assert found["controllerUID"] == 8


def test_high_availability_can_be_varied():
    found = values_from(Given(high_availability=True, settings=["controllerReplicas=5"]))
    assert found["controllerReplicas"] == 5
    assert found["webhookFailurePolicy"] == "Fail"


def test_values_file_errors_name_file_and_line(tmp_path):
    path = tmp_path / "v.yaml"
    path.write_text("proxy:\n  image: [\n")
    with pytest.raises(BadValue, match=r"v\.yaml, line 3: not YAML"):
        values_from(Given(files=[str(path)]))
    path.write_text("- a\n")
    with pytest.raises(BadValue, match="a map of keys, not a list"):
        values_from(Given(files=[str(path)]))


def test_free_maps_take_any_key():
    found = merge(
        charts.default_values(),
        {"podLabels": {"team": "a"}, "nodeSelector": {"disk": "ssd"}},
        source="t",
    )
    assert found["podLabels"] == {"team": "a"}
    assert found["nodeSelector"] == {"kubernetes.io/os": "linux", "disk": "ssd"}


def test_numbers_may_stand_for_texts():
    found = merge(charts.default_values(), parse_set("proxyInit.ignoreInboundPorts=25"), source="t")
    assert found["proxyInit"]["ignoreInboundPorts"] == "25"


def test_quantities_compare_across_suffixes():
    assert quantity("k", "1000m") == quantity("k", "1")
    assert quantity("k", "1Mi") > quantity("k", "1M")
    assert quantity("k", "1e3") == quantity("k", "1k")


def test_laid_over_keeps_what_is_not_named():
    assert laid_over({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}}) == {"a": {"b": 3, "c": 2}}


def test_a_number_without_a_default_can_be_set():
    base = {"maxSeries": None}
    assert merge(base, {"maxSeries": 9}, source="--set") == {"maxSeries": 9}
    assert merge(base, {"maxSeries": None}, source="--set") == base
    with pytest.raises(BadValue, match="maxSeries is a number, not a text"):
        merge(base, {"maxSeries": "9"}, source="--set")
