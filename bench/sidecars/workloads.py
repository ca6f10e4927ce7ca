"""The workloads, each a function of pods and subject that gives figures."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import load, mesh
from .load import Figures
from .pods import Pods
from .subjects import Subject


@dataclass(frozen=True)
class Plan:
    """How long and how hard."""

    generator: Path
    seconds: int = 4
    rate: int = 1_000
    idle_connections: int = 1_000


@dataclass(frozen=True)
class Workload:
    name: str
    needs: str
    run: Callable[[Pods, Subject, Plan], Figures]


def http1(pods: Pods, subject: Subject, plan: Plan) -> Figures:
    return load.wrk(pods.client, subject.target(mesh.HTTP1).url(), plan.seconds)


def http1_rate(pods: Pods, subject: Subject, plan: Plan) -> Figures:
    target = subject.target(mesh.HTTP1)
    seconds = plan.seconds + 1  # the generator leaves out the first
    return load.constant_rate(pods.client, plan.generator, "http1", target, plan.rate, seconds)


def http1_close(pods: Pods, subject: Subject, plan: Plan) -> Figures:
    url = subject.target(mesh.HTTP1).url()
    return load.wrk(pods.client, url, plan.seconds, closes=True)


def http1_big(pods: Pods, subject: Subject, plan: Plan) -> Figures:
    return load.wrk(pods.client, subject.target(mesh.HTTP1).url("/big"), plan.seconds)


def http2(pods: Pods, subject: Subject, plan: Plan) -> Figures:
    return load.h2load(pods.client, subject.target(mesh.HTTP2).url(), plan.seconds)


def http2_rate(pods: Pods, subject: Subject, plan: Plan) -> Figures:
    target = subject.target(mesh.HTTP2)
    seconds = plan.seconds + 1
    return load.constant_rate(pods.client, plan.generator, "http2", target, plan.rate, seconds)


def opaque(pods: Pods, subject: Subject, plan: Plan) -> Figures:
    return load.iperf3(pods.client, subject.target(mesh.OPAQUE), plan.seconds)


def idle(pods: Pods, subject: Subject, plan: Plan) -> Figures:
    targets = [subject.target(mesh.HTTP1)] * plan.idle_connections
    return load.hold(pods.client, targets, 2)


# Idle connections first: what is measured is growth, and later workloads leave a grown heap.
WORKLOADS = (
    Workload("idle", "http1", idle),
    Workload("h1", "http1", http1),
    Workload("h1rate", "http1", http1_rate),
    Workload("h1close", "http1", http1_close),
    Workload("h1big", "http1", http1_big),
    Workload("h2", "http2", http2),
    Workload("h2rate", "http2", http2_rate),
    Workload("tcp", "opaque", opaque),
)
