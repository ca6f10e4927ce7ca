"""`tulle inject` and `uninject`: what goes in, what comes out, and the report between."""

import json

import pytest

DEPLOYMENT = """\
# a comment
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  creationTimestamp: 2020-01-01T00:00:00Z
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - {name: web, image: "web:1", args: [1:30, "yes"]}
"""
SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80}]}\n"


@pytest.fixture
def inject(tulle):
    return lambda *words, **options: tulle("inject", "--ignore-cluster", *words, **options)


def test_standard_input(inject, parsed):
    done = inject("-", stdin=f"{DEPLOYMENT}---\n{SERVICE}")
    assert done.returncode == 0
    deployment, service = parsed(done.stdout)
    annotations = deployment["spec"]["template"]["metadata"]["annotations"]
    assert annotations == {"linkerd.io/inject": "enabled"}
    assert service == parsed(SERVICE)[0]
    assert done.stderr == '\ndeployment "web" injected\nservice "web" skipped\n\n'


def test_dates_and_clock_times_stay_texts(inject):
    found = json.loads(inject("-", "-o", "json", stdin=DEPLOYMENT).stdout)
    assert found["metadata"]["creationTimestamp"] == "2020-01-01T00:00:00Z"
    arguments = found["spec"]["template"]["spec"]["containers"][0]["args"]
    assert arguments == ["1:30", "yes"]


def test_lists_are_walked(inject, parsed):
    item = "\n".join(f"    {line}" for line in DEPLOYMENT.splitlines())
    listed = f"apiVersion: v1\nkind: List\nitems:\n  -\n{item}\n"
    found = parsed(inject("-", stdin=listed).stdout)[0]
    assert found["kind"] == "List"
    template = found["items"][0]["spec"]["template"]
    assert template["metadata"]["annotations"] == {"linkerd.io/inject": "enabled"}


def test_a_folder_is_walked(inject, tmp_path, parsed):
    folder = tmp_path / "manifests" / "deep"
    folder.mkdir(parents=True)
    (folder / "b.yaml").write_text(SERVICE)
    (folder.parent / "a.yaml").write_text(DEPLOYMENT)
    found = parsed(inject(str(folder.parent)).stdout)
    assert [item["kind"] for item in found] == ["Deployment", "Service"]


def test_flags_become_annotations_where_they_differ(inject, parsed):
    words = ("--proxy-cpu-request", "20m", "--admin-port", "4191", "--opaque-ports", "3306")
    found = parsed(inject("-", *words, stdin=f"{DEPLOYMENT}---\n{SERVICE}").stdout)
    assert found[0]["spec"]["template"]["metadata"]["annotations"] == {
        "linkerd.io/inject": "enabled",
        "config.linkerd.io/proxy-cpu-request": "20m",
        "config.linkerd.io/opaque-ports": "3306",
    }
    assert found[1]["metadata"]["annotations"] == {"config.linkerd.io/opaque-ports": "3306"}


def test_manual_round_trip(inject, tulle, parsed):
    injected = inject("-", "--manual", stdin=DEPLOYMENT)
    assert "tulle-proxy" in injected.stdout
    done = tulle("uninject", "-", stdin=injected.stdout)
    assert done.stderr == '\ndeployment "web" uninjected\n\n'
    original = json.loads(tulle("uninject", "-", "-o", "json", stdin=DEPLOYMENT).stdout)
    assert parsed(done.stdout) == [original]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1\n", "standard input, line 2: not YAML"),
        ("kind: Deployment\n  bad: indent\n", "standard input, line 2: not YAML"),
        ("- 1\n- 2\n", "a Kubernetes object is a map of keys"),
        ("", "holds no Kubernetes object"),
    ],
)
def test_what_is_no_manifest_is_refused(inject, text, said):
    done = inject("-", stdin=text)
    assert done.returncode == 1
    assert said in done.stderr
    assert done.stdout == ""


def test_a_file_that_is_not_there(inject):
    done = inject("/nowhere/x.yaml")
    assert done.returncode == 1
    assert "cannot read /nowhere/x.yaml" in done.stderr


def test_plain_http_is_refused(inject):
    assert "only fetched by https" in inject("http://example.org/x.yaml").stderr


def test_host_network_is_told_and_left_out(inject, parsed):
    host = DEPLOYMENT.replace("    spec:\n", "    spec:\n      hostNetwork: true\n")
    done = inject("-", stdin=f"{host}---\n{SERVICE}")
    assert done.returncode == 1
    assert [item["kind"] for item in parsed(done.stdout)] == ["Service"]
    assert "cannot inject deployment/web: hostNetwork is enabled" in done.stderr


def test_disabled_is_skipped_and_told(inject, parsed):
    off = DEPLOYMENT.replace(
        "labels: {app: web}}\n", "labels: {app: web}, annotations: {linkerd.io/inject: disabled}}\n"
    )
    done = inject("-", stdin=off)
    assert done.returncode == 0
    assert done.stderr.startswith('\n‼ injection is disabled by "linkerd.io/inject: disabled" in')
    assert 'deployment "web" skipped' in done.stderr


def test_a_mistaken_annotation_is_told(inject):
    wrong = DEPLOYMENT.replace(
        "labels: {app: web}}\n",
        "labels: {app: web}, annotations: {config.linkerd.io/proxy-memory-limit: much}}\n",
    )
    done = inject("-", stdin=wrong)
    assert done.returncode == 1
    assert "deployment/web" in done.stderr
    assert "config.linkerd.io/proxy-memory-limit cannot be 'much'" in done.stderr


def test_a_mistaken_flag_is_told(inject):
    done = inject("-", "--skip-inbound-ports", "http", stdin=DEPLOYMENT)
    assert done.returncode == 1
    assert "'http' is not a port or a range" in done.stderr
