"""How long a pod takes from creation to Ready: plain, injected native or classic, and by CNI.

Usage: python bench/starts.py [--rounds N]; runs on the cluster of the current kubeconfig, in a
namespace that it makes and deletes. Prints one JSON object: seconds per form.
The forms alternate, so drift of the machine meets all alike. The kubelet looks at its containers
once a second, and the end of one pod is seen at such a look: so the next one waits for a part of a
second that differs from round to round, or all would start at the same moment between two looks
and a few milliseconds more or less would count as a second or nothing. Forms by CNI need the plugin
on the nodes (`tulle install-cni | kubectl apply -f -`); without it they are left out, and it says
so.
"""

import argparse
import datetime as dt
import json
import statistics
import subprocess
import sys
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
BY_CNI: dict[str, dict[str, str]] = {
    "cni": {"linkerd.io/inject": "enabled", "config.linkerd.io/cni-enabled": "true"},
    "cni, native": {
        "linkerd.io/inject": "enabled",
        "config.linkerd.io/cni-enabled": "true",
        "config.linkerd.io/proxy-enable-native-sidecar": "true",
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


def ready_after(name: str, annotations: dict[str, str], phase: float) -> float:
    """Seconds from our request to the moment we see the condition Ready, by a watch."""
    time.sleep(phase)
    started = time.monotonic()
    kubectl("apply", "-f", "-", stdin=manifest(name, annotations))
    kubectl("-n", NAMESPACE, "wait", "--for=condition=Ready", f"pod/{name}", "--timeout=60s")
    seconds = time.monotonic() - started
    kubectl("-n", NAMESPACE, "delete", "pod", name, "--wait=true")
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=12)
    rounds = parser.parse_args().rounds
    forms = dict(FORMS)
    if "tulle-cni" in kubectl("get", "daemonsets", "-A"):
        forms |= BY_CNI
    else:
        print("starts: no DaemonSet tulle-cni, so the forms by CNI are left out", file=sys.stderr)
    kubectl("create", "namespace", NAMESPACE)
    try:
        time.sleep(1)  # its default service account
        seen: dict[str, list[float]] = {form: [] for form in forms}
        for number in range(rounds):
            for form, annotations in forms.items():
                name = f"{form.replace(', ', '-')}-{number}"
                seen[form].append(ready_after(name, annotations, phase=number / rounds))
    finally:
        kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    result = {
        form: {
            "mean": round(statistics.fmean(values), 2),
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
