"""How long a pod takes from creation to Ready: plain, injected native, injected classic.

Usage: python bench/starts.py [--rounds N]; runs on the cluster of the current kubeconfig, in a
namespace that it makes and deletes. Prints one JSON object: seconds per form, median and extremes.
The three forms alternate, so drift of the machine meets all alike.
"""

import argparse
import datetime as dt
import json
import statistics
import subprocess
import time

NAMESPACE = "bench-starts"
IMAGE = "docker.io/tulle/controller:0.1.0"
FORMS: dict[str, dict[str, str]] = {
    "plain": {"linkerd.io/inject": "disabled"},
    "native": {
        "linkerd.io/inject": "enabled",
        "config.linkerd.io/proxy-enable-native-sidecar": "true",
    },
    "classic": {
        "linkerd.io/inject": "enabled",
        "config.linkerd.io/proxy-enable-native-sidecar": "false",
    },
}


def kubectl(*arguments: str, stdin: str | None = None) -> str:
    done = subprocess.run(
        ["kubectl", *arguments], input=stdin, capture_output=True, text=True, check=True
    )
    return done.stdout


def manifest(name: str, annotations: dict[str, str]) -> str:
    container = {
        "name": "app",
        "image": IMAGE,
        "command": ["python3", "-c", "import time; time.sleep(3600)"],
    }
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": NAMESPACE, "annotations": annotations},
            "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
        }
    )


def ready_after(name: str, annotations: dict[str, str]) -> float:
    """Seconds from our request to the moment we see the condition Ready, by a watch."""
    started = time.monotonic()
    kubectl("apply", "-f", "-", stdin=manifest(name, annotations))
    kubectl("-n", NAMESPACE, "wait", "--for=condition=Ready", f"pod/{name}", "--timeout=60s")
    seconds = time.monotonic() - started
    kubectl("-n", NAMESPACE, "delete", "pod", name, "--wait=true")
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=8)
    rounds = parser.parse_args().rounds
    kubectl("create", "namespace", NAMESPACE)
    try:
        time.sleep(1)  # its default service account
        seen: dict[str, list[float]] = {form: [] for form in FORMS}
        for number in range(rounds):
            for form, annotations in FORMS.items():
                seen[form].append(ready_after(f"{form}-{number}", annotations))
    finally:
        kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    result = {
        form: {
            "median": round(statistics.median(values), 2),
            "min": round(min(values), 2),
            "max": round(max(values), 2),
            "rounds": len(values),
        }
        for form, values in seen.items()
    }
    print(json.dumps({"at": dt.datetime.now(dt.UTC).isoformat(), "seconds": result}, indent=1))


if __name__ == "__main__":
    main()
