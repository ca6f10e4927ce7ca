"""Grafana dashboards and alert rules, judged by the real promtool and by what we export."""

import json
import re
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "tulle-viz"
RULES = CHART / "alerts" / "tulle.rules.yaml"
RECORDED = Path(__file__).with_name("recorded")
sys.path.insert(0, str(ROOT / "tools"))

import grafana  # noqa: E402

# What Prometheus says of its own scrapes.
OF_PROMETHEUS = {"up"}
SUFFIX = re.compile(r"_(bucket|sum|count)$")
METRIC = re.compile(
    r"\b([a-z][a-z0-9_]*[a-z0-9])\b(?=\{|\[)|\b([a-z]+_cert_ttl_seconds|discovery_subscribers)\b"
)


def run(*command, **options):
    return subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False, **options
    )


def dashboards():
    return sorted((CHART / "dashboards").glob("*.json"))


def expressions():
    """Every query of every dashboard, with its variables filled in."""
    found = []
    for path in dashboards():
        content = json.loads(path.read_text())
        for panel in content["panels"]:
            found += [target["expr"] for target in panel["targets"]]
        for variable in content["templating"]["list"][1:]:
            query = variable["query"]["query"]
            inner = re.fullmatch(r"label_values\((.*), [a-z_0-9]+\)", query)
            assert inner is not None, query
            found.append(inner[1])
    replaced = [text.replace("$__rate_interval", "1m") for text in found]
    assert not any("$" in re.sub(r"\$(namespace|name|service)\b", "", text) for text in replaced)
    return replaced


def alerts():
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def exported():
    """The families that a proxy and the components printed when they were asked."""
    found = set()
    for path in RECORDED.glob("*.prom"):
        found |= set(re.findall(r"^# TYPE (\S+) ", path.read_text(), re.M))
    return found


def test_the_files_are_those_of_their_description():
    assert {path.stem for path in dashboards()} == {board.name for board in grafana.boards()}
    for board in grafana.boards():
        path = CHART / "dashboards" / f"{board.name}.json"
        assert path.read_text() == grafana.text_of(board), "run: python tools/grafana.py"


def test_a_dashboard_for_the_mesh_each_kind_a_route_and_ourselves():
    kinds = "deployment statefulset daemonset job cronjob replicaset replicationcontroller pod"
    wanted = {*kinds.split(), "service", "namespace", "route", "top-line", "health"}
    assert {path.stem for path in dashboards()} == wanted
    uids = [json.loads(path.read_text())["uid"] for path in dashboards()]
    assert len(set(uids)) == len(uids)


def test_every_query_is_one_that_prometheus_reads(promtool, tmp_path):
    rules = [{"record": f"q{number}", "expr": text} for number, text in enumerate(expressions())]
    file = tmp_path / "queries.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    done = run(promtool, "check", "rules", file)
    assert done.returncode == 0, done.stderr
    assert f"{len(rules)} rules found" in done.stdout
    file.write_text(file.read_text().replace("sum(", "summ(", 1))
    assert run(promtool, "check", "rules", file).returncode != 0


def test_every_metric_is_one_that_we_export():
    known = exported()
    assert {"response_total", "identity_cert_expiration_timestamp_seconds"} <= known
    texts = [*expressions(), *(rule["expr"] for rule in alerts())]
    for text in texts:
        bare = re.sub(r'"[^"]*"', '""', text)
        names = {first or second for first, second in METRIC.findall(bare)}
        assert names, text
        for name in names - OF_PROMETHEUS:
            family = SUFFIX.sub("", name)
            assert {name, family, name.removesuffix("_total")} & known, f"{name}: {text}"


def test_the_rules_are_sound_and_each_has_a_test(promtool):
    done = run(promtool, "check", "rules", RULES)
    assert done.returncode == 0, done.stderr
    tested = (CHART / "alerts" / "tests.yaml").read_text()
    for rule in alerts():
        assert f"alertname: {rule['alert']}" in tested
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"].keys() == {"summary", "description"}


def test_the_rules_fire_when_they_should_and_not_before(promtool):
    done = run(promtool, "test", "rules", "tests.yaml", cwd=CHART / "alerts")
    assert done.returncode == 0, done.stdout + done.stderr
