"""A made-up shop, as metrics-api would tell of it: for tests of the dashboard and of its pages.

`Shop` plays the dashboard's source `metrics`. `state` is `full`, `empty` (a cluster without a
meshed pod), `failing` (no answer) or `slow` (no answer until `release` is called).
"""

import asyncio
import math

from tulle.viz.web.metrics import Unanswered

DOMAIN = "cluster.local"


def ref(text):
    """`deployment/shop/web`, `namespace//shop`."""
    return text.split("/", 2)


# Workload: requests per second, success, p99 in ms, pods, meshed pods.
WORKLOADS = {
    "deployment/shop/ui": (12.0, 1.0, 40.0, 2, 2),
    "deployment/shop/web": (30.0, 0.985, 25.0, 3, 3),
    "deployment/shop/cart": (8.0, 0.9, 180.0, 1, 1),
    "deployment/shop/legacy": (None, None, None, 1, 0),
    "statefulset/shop/db": (None, None, None, 1, 1),
    "daemonset/infra/logs": (1.5, 1.0, 5.0, 1, 1),
    "cronjob/shop/report": (0.2, 1.0, 300.0, 1, 1),
    "deployment/infra/ingress": (20.0, 1.0, 12.0, 1, 1),
}
# Source, destination: requests per second, success, p99, open connections, secured.
EDGES = {
    ("deployment/infra/ingress", "deployment/shop/ui"): (12.0, 1.0, 41.0, 4, True),
    ("deployment/shop/ui", "deployment/shop/web"): (30.0, 0.985, 26.0, 6, True),
    ("deployment/shop/web", "deployment/shop/cart"): (8.0, 0.9, 182.0, 2, True),
    ("deployment/shop/web", "deployment/shop/legacy"): (3.0, 1.0, 8.0, 1, False),
    ("deployment/shop/cart", "statefulset/shop/db"): (None, None, None, 3, True),
    ("cronjob/shop/report", "deployment/shop/web"): (0.2, 1.0, 300.0, 1, True),
}
SERVICES = {"service/shop/web": (30.2, 0.985, 27.0), "service/shop/cart": (8.0, 0.9, 182.0)}
SPLIT = {"namespace": "shop", "name": "cart-rollout", "apex": "cart"}
ROUTES = (("GET /items", 20.0, 1.0, 20.0), ("POST /orders", 9.5, 0.96, 90.0))
NO_ROUTES = f"there is no ServiceProfile of ui.shop.svc.{DOMAIN}, so no route is known"


def numbers(rps, success, p99, tcp=2, secured=None):
    """As /api/stat, /api/graph and /api/around give them together."""
    return {
        "success": success,
        "rps": rps,
        "latency_ms_p50": None if p99 is None else p99 / 5,
        "latency_ms_p95": None if p99 is None else p99 / 2,
        "latency_ms_p99": p99,
        "tcp_open_connections": tcp,
        "tcp_read_bytes_rate": None if rps is None else rps * 900.0,
        "tcp_write_bytes_rate": None if rps is None else rps * 2400.0,
        "secured": secured,
    }


class Shop:
    def __init__(self, state="full", clock=lambda: 1_764_000_000.0):
        self.state, self.clock = state, clock
        self.workloads, self.edges = dict(WORKLOADS), dict(EDGES)
        self.services, self.routes = dict(SERVICES), ROUTES
        self.restarts = {"deployment/shop/cart": (2, 600.0, "OOMKilled")}
        self.issuer_days = 200
        self.backends = []
        self.asked = []
        self.past_is_known = True
        self._released = asyncio.Event()

    def release(self):
        self._released.set()

    async def get(self, path, query):
        self.asked.append((path, dict(query)))
        if self.state == "slow":
            await self._released.wait()
        if self.state == "failing":
            raise Unanswered(502, "metrics-api does not answer: connection refused")
        return getattr(self, f"_{path.removeprefix('/api/')}")(query)

    def _live(self, query):
        """Whether there are any numbers for what is asked."""
        return self.state == "full" and ("at" not in query or self.past_is_known)

    def _stat(self, query):
        kind = query["kind"]
        rows = getattr(self, f"_{kind}_rows", lambda: self._workload_rows(kind))()
        if not self._live(query):
            rows = [{**row, "numbers": None} for row in rows]
        if self.state == "empty" and kind != "namespace":
            rows = []
        wanted = [
            row
            for row in rows
            if query.get("namespace", "") in ("", row["namespace"])
            and query.get("name", "") in ("", row["name"])
        ]
        return {"kind": kind, "rows": wanted}

    def _workload_rows(self, kind):
        found = []
        for known, (rps, success, p99, pods, meshed) in sorted(self.workloads.items()):
            if ref(known)[0] == kind:
                counted = numbers(rps, success, p99) if rps is not None else None
                found.append(_row(known, counted, pods, meshed))
        return found

    def _pod_rows(self):
        found = []
        for pod in self._all_pods():
            rps, success, p99, pods, _ = self.workloads[pod["workload"]]
            counted = numbers(rps / pods, success, p99) if rps is not None else None
            known = f"pod/{pod['namespace']}/{pod['name']}"
            row = _row(known, counted, 1, int(pod["is_meshed"]))
            found.append({**row, "status": pod["status"]})
        return found

    def _service_rows(self):
        return [
            {"namespace": "shop", "name": ref(known)[2], "numbers": numbers(*counted)}
            for known, counted in sorted(self.services.items())
        ]

    def _trafficsplit_rows(self):
        return [
            {**SPLIT, "leaf": leaf, "weight": weight, "numbers": numbers(rps, success, 90.0)}
            for leaf, weight, rps, success in (
                ("cart-v1", "90", 7.2, 0.9),
                ("cart-v2", "10", 0.8, 1),
            )
        ]

    def _namespace_rows(self):
        return [
            _row(f"namespace//{name}", numbers(rps, 0.98, 180.0), pods, meshed)
            for name, rps, pods, meshed in (("infra", 21.5, 2, 2), ("shop", 50.2, 9, 8))
        ]

    def _graph(self, query):
        within, is_live = query.get("namespace", ""), self._live(query)
        nodes = []
        for known, (rps, success, p99, pods, meshed) in sorted(self.workloads.items()):
            count, ago, reason = self.restarts.get(known, (0, 0, ""))
            nodes.append(
                {
                    "ref": ref(known),
                    "pods": pods,
                    "meshed_pods": meshed,
                    "ready_pods": pods,
                    "restarts": count,
                    "restarted": [self.clock() - ago, reason] if count else None,
                    "numbers": numbers(*((rps, success, p99) if is_live else (None,) * 3), tcp=0),
                }
            )
        if self.state == "empty":
            nodes = []
        ends = {known for edge in self.edges for known in edge}
        nodes = [
            node
            for node in nodes
            if within in ("", node["ref"][1]) or "/".join(node["ref"]) in ends
        ]
        found = {"nodes": nodes, "edges": self._edges_of(within) if is_live else []}
        if query.get("totals"):
            sums = [
                ("mesh//", numbers(71.7, 0.985, 180.0, secured=0.96)),
                ("namespace//shop", numbers(50.2, 0.98, 180.0)),
                ("namespace//infra", numbers(21.5, 1.0, 12.0)),
            ]
            sums += [(known, numbers(*counted)) for known, counted in self.services.items()]
            found["totals"] = [
                {"ref": ref(known), "numbers": counted} for known, counted in sums if is_live
            ]
        return found

    def _edges_of(self, namespace):
        found = []
        for (source, destination), (rps, success, p99, tcp, secured) in sorted(self.edges.items()):
            src, dst = ref(source), ref(destination)
            if namespace in ("", src[1], dst[1]):
                found.append(
                    {
                        "src": src,
                        "dst": dst,
                        "client_id": f"{src[2]}.{src[1]}" if secured else "",
                        "server_id": f"{dst[2]}.{dst[1]}" if secured else "",
                        "no_tls_reason": "" if secured else "Not Provided By Service Discovery",
                        "numbers": numbers(rps, success, p99, tcp, float(secured)),
                    }
                )
        return found

    def _around(self, query):
        near = [query["kind"], query.get("namespace", ""), query["name"]]
        edges = self._edges_of("") if self._live(query) else []
        if near[0] == "service":
            edges = [
                {**edge, "dst": near}
                for edge in edges
                if edge["dst"] == ["deployment", near[1], near[2]]
            ]
        return {"edges": [edge for edge in edges if near in (edge["src"], edge["dst"])]}

    def _routes(self, query):
        is_known = query.get("name", "web") == "web" and query.get("namespace", "shop") == "shop"
        if self.state == "empty" or not is_known:
            raise Unanswered(400, NO_ROUTES)
        rows = [
            {
                "route": route,
                "kind": "ServiceProfile",
                "authority": f"web.shop.svc.{DOMAIN}",
                "effective_success": success,
                "effective_rps": rps,
                "actual_success": success - 0.01,
                "actual_rps": rps + 0.3,
                "latency_ms_p50": p99 / 5,
                "latency_ms_p95": p99 / 2,
                "latency_ms_p99": p99,
            }
            for route, rps, success, p99 in self.routes
        ]
        return {"tables": [{"resource": f"{query['kind']}/web", "rows": rows}]}

    def _all_pods(self):
        found = []
        for known, (*_, pods, meshed) in sorted(self.workloads.items()):
            kind, namespace, name = ref(known)
            found += [
                {
                    "namespace": namespace,
                    "name": f"{name}-{number}",
                    "status": "Running",
                    "address": "10.1.0.7",
                    "is_meshed": number < meshed,
                    "is_ready": True,
                    "restarts": 0,
                    "restarted": None,
                    "owners": [f"{kind}/{name}"],
                    "workload": known,
                }
                for number in range(pods)
            ]
        return [] if self.state == "empty" else found

    def _control_pods(self, namespace):
        names = {
            "tulle": ("tulle-identity", "tulle-destination", "tulle-proxy-injector"),
            "tulle-viz": ("metrics-api", "prometheus", "tap", "tap-injector", "web"),
        }
        return [
            {"name": f"{name}-0", "is_ready": True, "owners": [f"deployment/{name}"]}
            for name in names.get(namespace, ())
        ]

    def _pods(self, query):
        within = query.get("namespace", "")
        pods = [pod for pod in self._all_pods() if within in ("", pod["namespace"])]
        return {"pods": self._control_pods(within) or pods}

    def _check(self, query):
        meshed = sum(pod["is_meshed"] for pod in self._all_pods())
        return {
            "meshed_pods": meshed,
            "scraped_proxies": meshed,
            "scrape_interval": "10s",
            "issuer_seconds_left": self.issuer_days * 86400.0,
        }

    def _series(self, query):
        begin, end, step = (float(query[word]) for word in ("from", "to", "step"))
        times = [begin + step * n for n in range(int((end - begin) / step) + 1)]
        wave = [10 + 3 * math.sin(time / 300) for time in times]
        if self.state == "empty" or not self.past_is_known:
            wave = [None] * len(times)
        names = ("rps", "success", "p50", "p95", "p99", "tcp")
        return {"times": times, "series": {name: list(wave) for name in names}}

    def _proxies(self, query):
        now = self.clock()
        return {
            "proxies": [
                {
                    "namespace": pod["namespace"],
                    "pod": pod["name"],
                    "service_account": "default",
                    "proxy_version": "0.1.0",
                    "expires": now + 20 * 3600,
                    "refreshed": now - 4 * 3600,
                }
                for pod in self._all_pods()
                if pod["is_meshed"]
                and query.get("namespace", "") in ("", pod["namespace"])
                and ("name" not in query or f"{query['kind']}/{query['name']}" in pod["owners"])
            ]
        }

    def _unmeshed(self, query):
        if query["name"] != "ui":
            return {"sources": []}
        source = {"reason": "no_tls_from_remote", "port": "8080", "tcp": 1}
        return {"sources": [{**source, "rps": 0.4, "success": 1.0}]}

    def _backends(self, query):
        return {"rows": self.backends if self._live(query) else []}

    def _names(self, query):
        pods = [["pod", pod["namespace"], pod["name"]] for pod in self._all_pods()]
        spaces = [["namespace", "", "infra"], ["namespace", "", "shop"]]
        workloads = [ref(known) for known in (*self.workloads, *self.services)]
        return {"names": spaces if self.state == "empty" else [*workloads, *pods, *spaces]}


def _row(known, counted, pods, meshed):
    _, namespace, name = ref(known)
    counts = {"meshed_pods": meshed, "running_pods": pods, "failed_pods": 0}
    return {"namespace": namespace, "name": name, **counts, "numbers": counted}
