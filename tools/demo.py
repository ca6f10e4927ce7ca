"""The mesh's main job, typed step by step on a local Kubernetes: each command and its live output.

Leaves the cluster running with the todo app meshed and under load. Nothing shown here is stored
text; a step whose command fails ends the demo with that command's own words.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOADER_LOG = Path(os.environ.get("TULLE_CACHE", Path.home() / ".cache" / "tulle")) / "log/load.log"
SHOW_LINES = 14


def say(text: str) -> None:
    print(f"\n\033[1m# {text}\033[0m" if sys.stdout.isatty() else f"\n# {text}", flush=True)


def typed(command: str, *, lines: int = SHOW_LINES, quiet: bool = False) -> str:
    """Run a line as a user types it and show what it prints, cut to `lines`."""
    print(f"$ {command}", flush=True)
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    shown = (done.stdout + done.stderr).rstrip().splitlines()
    if done.returncode != 0:
        print("\n".join(shown))
        raise SystemExit(f"demo: `{command}` exited {done.returncode}")
    if not quiet:
        print("\n".join(line[:170] for line in shown[:lines]))
        if len(shown) > lines:
            print(f"… {len(shown) - lines} more lines")
    sys.stdout.flush()
    return done.stdout


def live(command: str) -> None:
    """Run a line whose progress is worth seeing as it comes."""
    print(f"$ {command}", flush=True)
    if subprocess.run(["bash", "-c", command], cwd=ROOT, check=False).returncode != 0:
        raise SystemExit(f"demo: `{command}` failed")


def start_load(address: str) -> None:
    """The load generator in a session of its own; it outlives the demo, as its log and pid say."""
    LOADER_LOG.parent.mkdir(parents=True, exist_ok=True)
    pid_file = LOADER_LOG.with_suffix(".pid")
    stop_load(pid_file)
    script = ROOT / "examples" / "todo" / "load.py"
    with LOADER_LOG.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, script, f"http://{address}:8090/", "--rate", "5",
             "--seconds", "3600", "--every", "5"],
            stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
    pid_file.write_text(str(process.pid))
    print(f"load: 5 requests/s for an hour by pid {process.pid}, log in {LOADER_LOG}")


def stop_load(pid_file: Path) -> None:
    """End the load of an earlier demo, if that pid still is one."""
    if not pid_file.exists():
        return
    pid = int(pid_file.read_text() or 0)
    command = Path(f"/proc/{pid}/cmdline")
    if pid and command.exists() and b"load.py" in command.read_bytes():
        os.kill(pid, 15)
    pid_file.unlink()


def prove_encryption() -> None:
    """A capture between the two pods' network interfaces, while the app is used."""
    status = json.loads(typed("tulle local status -o json", quiet=True))
    pid = status["pid"]
    jsonpath = "{.items[0].status.podIP}"
    addresses = [
        typed(f"kubectl get pods -l app={app} -o jsonpath='{jsonpath}'", quiet=True).strip()
        for app in ("todoui", "todobackend")
    ]
    port = f"host {addresses[0]} and host {addresses[1]} and greater 100"
    capture = typed(
        f"nsenter -t {pid} -n timeout 4 tcpdump -l -A -n -i cni0 '{port}' 2>/dev/null || true",
        lines=8,
    )
    found = sum(line.count("GET /todos") for line in capture.splitlines())
    print(f"plain requests in {len(capture):,} bytes captured between the pods: {found}")
    if found or len(capture) < 1000:
        raise SystemExit("demo: the capture does not prove encryption")


def golden_metrics() -> None:
    """Viz, with a scrape interval short enough that a minute of numbers need not be waited for."""
    say("Golden metrics, on a real Prometheus")
    typed(
        "tulle viz install --set prometheus.scrapeInterval=2s | kubectl apply -f -",
        lines=4,
    )
    typed(
        "kubectl -n tulle-viz wait --for=condition=Available deployment --all --timeout=120s",
        lines=9,
    )
    print("… letting Prometheus ask a few times")
    time.sleep(12)
    typed("tulle viz stat deployments")
    typed("tulle viz stat pods --to service/todobackend")
    typed("tulle viz edges deployments")
    say("Live requests; pods older than viz are restarted first, under load")
    typed("kubectl rollout restart deployment")
    typed("kubectl rollout status deployment/todobackend --timeout=120s", lines=1)
    typed("kubectl rollout status deployment/todoui --timeout=120s", lines=1)
    # head ends the stream, which is no failure of tap's; to say nothing would be one.
    tapped = typed("timeout 20 tulle viz tap deployments/todoui | head -n 8 || true")
    if "tls=true" not in tapped:
        raise SystemExit("demo: tap showed no request over mutual TLS within 20 s")
    typed("tulle viz top deployments --once")
    typed("timeout 60 bash -c 'until kubectl top pod -n tulle --containers; do sleep 2; done'")
    typed(f"tail -n 1 {LOADER_LOG}")


def control_plane() -> None:
    """Installed, or renewed where an earlier demo left one."""
    known = subprocess.run(
        ["kubectl", "get", "namespace", "tulle"], capture_output=True, check=False
    )
    if known.returncode == 0:
        say("A control plane is here already: renew it")
        typed("tulle upgrade --crds | kubectl apply -f -", lines=3)
        typed("tulle upgrade | kubectl apply -f -", lines=8)
    else:
        say("Is this cluster fit for the mesh?")
        typed("tulle check --pre", lines=40)
        say("Install the custom resources and the control plane")
        typed("tulle install --crds | kubectl apply -f -", lines=5)
        typed("tulle install | kubectl apply -f -", lines=8)
    typed("tulle check", lines=60)


def main() -> None:
    started = time.monotonic()
    say("A real one-node Kubernetes on this machine")
    live("tulle local up")
    typed("kubectl get nodes")
    control_plane()
    say("An app, meshed")
    typed("kubectl annotate namespace default linkerd.io/inject=enabled --overwrite")
    typed("kubectl apply -f examples/todo/backend.yaml -f examples/todo/ui.yaml")
    typed("kubectl rollout status deployment/todobackend deployment/todoui --timeout=120s", lines=4)
    typed("kubectl get po")
    say("What happened in the pod")
    typed("kubectl logs deploy/todoui tulle-init", lines=6)
    typed("kubectl logs deploy/todoui tulle-proxy", lines=10)
    say("Traffic")
    address = typed(
        "kubectl get svc todoui -o jsonpath='{.status.loadBalancer.ingress[0].ip}'"
    ).strip()
    typed(f"curl --silent --retry 20 --retry-all-errors http://{address}:8090 | head -n 4")
    start_load(address)
    time.sleep(5)
    say("It is mutual TLS: the proxies' own numbers, and the wire")
    typed(
        "tulle diagnostics proxy-metrics deploy/todobackend"
        ' | grep \'^request_total.*direction="inbound".*tls="true"\''
    )
    prove_encryption()
    golden_metrics()
    say(f"Done in {time.monotonic() - started:.0f} s; the cluster and the load go on")
    print(
        f"  browse      http://{address}:8090\n"
        "  look        tulle viz stat deployments; tulle viz dashboard; tulle check --proxy\n"
        "  restart     kubectl rollout restart deployment  (the load's log shows no failure)\n"
        "  end         tulle local down          keep the cluster's state\n"
        "              tulle local down --purge  leave nothing"
    )


if __name__ == "__main__":
    main()
