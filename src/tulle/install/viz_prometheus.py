"""The objects of Prometheus, which scrapes every proxy by mutual TLS through its own."""

from typing import Any

import yaml

from tulle import names
from tulle.install.objects import config_map, digest
from tulle.install.viz_objects import (
    Viz,
    VizComponent,
    account,
    allowed_accounts,
    deployment,
    server,
    service,
)
from tulle.install.viz_scrape import CONFIG_FILE, RULES_FILE, configuration
from tulle.viz.recorded import rule_file

Json = dict[str, Any]

NAME = names.PROMETHEUS
CONFIG = "prometheus-config"
CONFIG_DIR = "/etc/prometheus"
DATA_DIR = "/data"
ADMIN_SERVER = "prometheus-admin"


def objects(viz: Viz) -> list[Json]:
    if not viz.values["prometheus"]["enabled"]:
        return []
    every = viz.values["prometheus"]["scrapeInterval"]
    data = {
        CONFIG_FILE: yaml.safe_dump(configuration(viz), sort_keys=False),
        RULES_FILE: yaml.safe_dump(rule_file(every), sort_keys=False, width=1000),
    }
    return [
        account(viz, NAME),
        config_map(viz.place, CONFIG, NAME, data),
        service(viz, NAME, {"admin": (names.PROMETHEUS_PORT, "admin")}),
        deployment(viz, _component(viz, digest("".join(data.values())))),
        server(viz, ADMIN_SERVER, NAME, "admin", "HTTP/1"),
        *allowed_accounts(viz, ADMIN_SERVER, NAME, [names.METRICS_API]),
    ]


def _component(viz: Viz, checksum: str) -> VizComponent:
    settings = viz.values["prometheus"]
    image = settings["image"]
    data: Json = {"name": "data", "emptyDir": {"sizeLimit": settings["volumeSize"]}}
    config: Json = {"name": "config", "configMap": {"name": CONFIG}}
    return VizComponent(
        NAME,
        f"{image['name']}:{image['version']}",
        {"admin": names.PROMETHEUS_PORT},
        [],
        [
            f"--config.file={CONFIG_DIR}/{CONFIG_FILE}",
            f"--storage.tsdb.path={DATA_DIR}",
            f"--storage.tsdb.retention.time={settings['retention']}",
            f"--storage.tsdb.retention.size={settings['retentionSize']}",
            f"--web.listen-address=:{names.PROMETHEUS_PORT}",
            f"--log.level={settings['logLevel']}",
        ],
        ("/-/ready", "admin"),
        ("/-/healthy", "admin"),
        settings["resources"],
        annotations={"checksum/config": checksum},
        reads_api=False,
        mounts=[(data, DATA_DIR, False), (config, CONFIG_DIR, True)],
    )
