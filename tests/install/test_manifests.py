"""What an install consists of: the same every time, least privileged, and meshed by itself."""

import base64

import pytest
import yaml

from tulle import names
from tulle.install import charts
from tulle.install.anchors import Sources
from tulle.install.manifests import complete, overrides, render
from tulle.install.pem import BadCertificates
from tulle.install.plan import Given, certificates, values_from
from tulle.install.values import BadValue
from tulle.policy.validate import JUDGES


@pytest.fixture
def rendered(values, now):
    return render(values, certificates(values, "tulle", now), "tulle")


def named(objects, kind, name):
    found = [o for o in objects if o["kind"] == kind and o["metadata"]["name"] == name]
    assert len(found) == 1, f"{kind}/{name}"
    return found[0]


def deployments(objects):
    return [o for o in objects if o["kind"] == "Deployment"]


def test_rendering_twice_gives_the_same(values, now):
    made = certificates(values, "tulle", now)
    assert render(values, made, "tulle") == render(values, made, "tulle")


def test_what_is_rendered_is_plain_data(rendered):
    assert list(yaml.safe_load_all(yaml.safe_dump_all(rendered))) == rendered


def test_no_object_is_named_twice(rendered):
    keys = [(o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]) for o in rendered]
    assert len(keys) == len(set(keys))


def test_every_object_carries_the_label_by_which_it_is_uninstalled(rendered):
    for item in rendered:
        assert item["metadata"]["labels"][names.CONTROL_NAMESPACE_LABEL] == "tulle"


def test_the_namespace_comes_first_and_the_overrides_last(rendered):
    assert rendered[0]["kind"] == "Namespace"
    assert rendered[-1]["metadata"]["name"] == names.OVERRIDES_SECRET


def test_every_pod_has_a_proxy_and_the_redirect(rendered):
    for item in deployments(rendered):
        spec = item["spec"]["template"]["spec"]
        first = [container["name"] for container in spec["initContainers"]]
        assert first == [names.INIT_CONTAINER, names.PROXY_CONTAINER]
        assert spec["initContainers"][1]["restartPolicy"] == "Always"


def test_no_component_waits_for_itself(rendered):
    for name, port in ((names.IDENTITY, 8080), (names.DESTINATION, 8086)):
        spec = named(rendered, "Deployment", name)["spec"]["template"]["spec"]
        environment = {e["name"]: e.get("value") for e in spec["initContainers"][1]["env"]}
        part = "IDENTITY" if name == names.IDENTITY else "DESTINATION"
        address = environment[f"LINKERD2_PROXY_{part}_SVC_ADDR"]
        assert address in (f"127.0.0.1:{port}", f"localhost.:{port}")


def test_components_are_unprivileged(rendered):
    for item in deployments(rendered):
        for container in item["spec"]["template"]["spec"]["containers"]:
            context = container["securityContext"]
            assert context["runAsNonRoot"] is True
            assert context["readOnlyRootFilesystem"] is True
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}


def test_the_api_token_is_the_components_alone(rendered):
    for item in deployments(rendered):
        spec = item["spec"]["template"]["spec"]
        assert spec["automountServiceAccountToken"] is False
        for container in spec["initContainers"]:
            mounts = [mount["name"] for mount in container.get("volumeMounts") or []]
            assert "kube-api-access" not in mounts


OWN = {  # what a component renews: its certificate, and who is told to trust it
    names.PROXY_INJECTOR: {
        "secrets": names.INJECTOR_TLS_SECRET,
        "mutatingwebhookconfigurations": names.INJECTOR_WEBHOOK_CONFIG,
    },
    names.DESTINATION: {
        "secrets": names.POLICY_VALIDATOR_TLS_SECRET,
        "validatingwebhookconfigurations": names.POLICY_VALIDATOR_WEBHOOK_CONFIG,
    },
    names.IDENTITY: {},
}


def test_rights_are_few_and_a_secret_is_only_its_owners(rendered):
    renewed = {resource for own in OWN.values() for resource in own}
    for role in (o for o in rendered if o["kind"] in ("ClusterRole", "Role")):
        (own,) = (o for name, o in OWN.items() if role["metadata"]["name"].endswith(name))
        for rule in role["rules"]:
            assert "*" not in rule["verbs"] + rule["resources"] + rule["apiGroups"]
            if rule["resources"][0] in renewed:
                assert rule["resourceNames"] == [own[rule["resources"][0]]]
                assert (role["kind"] == "Role") == (rule["resources"] == ["secrets"])
                continue
            assert "secrets" not in rule["resources"]
            if set(rule["verbs"]) - {"get", "list", "watch"}:
                plain = {r for r in rule["resources"] if not r.endswith("/status")}
                assert plain <= {"tokenreviews", "events", "leases"}
                assert "leases" not in plain or role["kind"] == "Role"


def test_every_definition_is_judged_by_the_validator(rendered):
    """A kind that it judges and the API server does not send would be let in unseen."""
    name = names.POLICY_VALIDATOR_WEBHOOK_CONFIG
    (hook,) = named(rendered, "ValidatingWebhookConfiguration", name)["webhooks"]
    asked = {(r["apiGroups"][0], plural) for r in hook["rules"] for plural in r["resources"]}
    served = {
        (item["spec"]["group"], item["spec"]["names"]["kind"]): item["spec"]["names"]["plural"]
        for item in charts.resource_definitions()
    }
    for group, kind in JUDGES:
        plural = served.get((group, kind), f"{kind.lower()}s")
        assert (group, plural) in asked
    assert len(asked) == len(JUDGES)


def test_services_select_pods_that_exist(rendered):
    labels = {o["metadata"]["labels"][names.COMPONENT_LABEL] for o in deployments(rendered)}
    for service in (o for o in rendered if o["kind"] == "Service"):
        assert service["spec"]["selector"][names.COMPONENT_LABEL] in labels


def test_private_keys_are_in_their_secrets_only(values, now):
    made = certificates(values, "tulle", now)
    key = made.issuer.key
    for item in render(values, made, "tulle"):
        if item["metadata"]["name"] == names.ISSUER_SECRET:
            assert base64.b64decode(item["data"]["key.pem"]).decode() == key
        else:
            text = yaml.safe_dump(item)
            assert key not in text
            assert base64.b64encode(key.encode()).decode() not in text


def test_config_holds_the_values_as_they_are_used(rendered):
    text = named(rendered, "ConfigMap", names.CONFIG_CONFIGMAP)["data"]["values"]
    stored = yaml.safe_load(text)
    assert stored["proxy"]["image"]["version"] == names.VERSION
    assert "BEGIN CERTIFICATE" in stored["identityTrustAnchorsPEM"]
    assert stored["identity"]["issuer"]["tls"]["keyPEM"] == ""


def test_the_webhook_never_judges_its_own_pods(rendered):
    hook = named(rendered, "MutatingWebhookConfiguration", names.INJECTOR_WEBHOOK_CONFIG)[
        "webhooks"
    ][0]
    assert hook["failurePolicy"] == "Ignore"
    excluded = {e["key"] for e in hook["objectSelector"]["matchExpressions"]}
    assert names.COMPONENT_LABEL in excluded
    spaces = {e["key"]: e["values"] for e in hook["namespaceSelector"]["matchExpressions"]}
    assert "kube-system" in spaces["kubernetes.io/metadata.name"]


def test_high_availability(now):
    values = values_from(Given(high_availability=True))
    objects = render(values, certificates(values, "tulle", now), "tulle")
    assert len([o for o in objects if o["kind"] == "PodDisruptionBudget"]) == 3
    for item in deployments(objects):
        assert item["spec"]["replicas"] == 3
        spec = item["spec"]["template"]["spec"]
        assert "podAntiAffinity" in spec["affinity"]
        assert spec["containers"][0]["resources"]["requests"]["cpu"] == "100m"
    hook = named(objects, "MutatingWebhookConfiguration", names.INJECTOR_WEBHOOK_CONFIG)
    assert hook["webhooks"][0]["failurePolicy"] == "Fail"


def test_another_namespace(values, now):
    objects = render(values, certificates(values, "mesh", now), "mesh")
    spaces = {o["metadata"].get("namespace") for o in objects}
    assert spaces == {None, "mesh"}
    assert named(objects, "ClusterRole", "tulle-mesh-identity")


def test_an_upgrade_with_what_is_stored_changes_nothing(now):
    values = values_from(Given(settings=["controllerReplicas=2"]))
    made = certificates(values, "tulle", now)
    before = render(values, made, "tulle")
    stored = yaml.safe_load(base64.b64decode(before[-1]["data"]["tulle-config-overrides"]).decode())
    assert stored == {"controllerReplicas": 2}
    again = values_from(Given(), stored)
    kept = certificates(again, "tulle", now, stored=made)
    assert render(again, kept, "tulle") == before


def test_overrides_are_what_differs():
    defaults = complete(charts.default_values())
    changed = values_from(Given(settings=["proxy.logLevel=debug"]))
    assert overrides(changed, defaults) == {"proxy": {"logLevel": "debug"}}


def test_an_external_issuer_is_not_written(now, pair, root):
    flags = {"identity": {"issuer": {"scheme": "kubernetes.io/tls"}}}
    values = values_from(Given(flags={**flags, "identityTrustAnchorsPEM": root.pem}))
    made = certificates(values, "tulle", now)
    objects = render(values, made, "tulle")
    assert names.ISSUER_SECRET not in {o["metadata"]["name"] for o in objects}
    assert named(objects, "ConfigMap", names.TRUST_ROOTS_CONFIGMAP)["data"] == {
        "ca-bundle.crt": root.pem
    }


def test_an_external_authority_writes_its_config_map(now):
    flags = {"identity": {"issuer": {"scheme": "kubernetes.io/tls"}, "externalCA": True}}
    values = values_from(Given(flags=flags))
    objects = render(values, certificates(values, "tulle", now), "tulle")
    written = {o["metadata"]["name"] for o in objects}
    assert not written & {names.ISSUER_SECRET, names.TRUST_ROOTS_CONFIGMAP}


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"identity": {"externalCA": True}}, "needs --identity-external-issuer"),
        (
            {"identity": {"issuer": {"scheme": "kubernetes.io/tls"}}},
            "needs the trust anchors of that issuer",
        ),
        (
            {"identity": {"issuer": {"scheme": "kubernetes.io/tls", "tls": {"crtPEM": "x"}}}},
            "must not be given",
        ),
        ({"proxyInjector": {"externalSecret": True}}, "proxyInjector.injectCaFrom"),
        ({"proxyInjector": {"crtPEM": "x"}}, "go together"),
        ({"policyValidator": {"externalSecret": True}}, "policyValidator.injectCaFrom"),
    ],
)
def test_contradictions_are_refused(now, flags, said):
    with pytest.raises(BadValue, match=said):
        certificates(values_from(Given(flags=flags)), "tulle", now)


def test_half_given_certificates_are_refused(now, root):
    values = values_from(Given(flags={"identityTrustAnchorsPEM": root.pem}))
    sources = Sources("ca.crt")
    with pytest.raises(BadCertificates, match="are missing: give --identity-trust-anchors-file"):
        certificates(values, "tulle", now, sources=sources)


def test_requests_may_be_let_set_their_own_limits(values, now):
    given = Given(settings=["policyController.additionalArgs=--allow-l5d-request-headers"])
    allowing = render(values_from(given), certificates(values, "tulle", now), "tulle")
    destination = named(allowing, "Deployment", names.DESTINATION)
    containers = destination["spec"]["template"]["spec"]["containers"]
    (ours,) = [c for c in containers if c["name"] == "destination"]
    words = [*ours.get("command", []), *ours.get("args", [])]
    assert "--allow-l5d-request-headers" in words


def test_an_argument_that_nobody_knows_is_refused(values, now):
    values["policyController"]["additionalArgs"] = ["--fast"]
    with pytest.raises(BadValue, match="--fast"):
        render(values, certificates(values, "tulle", now), "tulle")
