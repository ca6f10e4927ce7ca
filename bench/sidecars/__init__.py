"""Measures what a pair of sidecar proxies costs, beside its peers, between two network namespaces.

    client pod 10.244.0.10                            server pod 10.244.0.20
    load generators                                   nginx :8080 (HTTP/1) :8082 (HTTP/2), iperf3
      | to 10.96.0.10:80|82|5201                              ^
      | iptables REDIRECT                                     |
      v                                                       |
    outbound proxy :4140 ======== mutual TLS ========> inbound proxy :4143 (iptables REDIRECT)

Needs root and Linux; no Kubernetes. `make bench` runs all of it.
"""
