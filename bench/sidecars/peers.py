"""Configurations of HAProxy and nginx that do the sidecars' job: mutual TLS 1.3, nothing else.

Neither discovers, authorizes by policy, nor counts by endpoint: read them as a floor.
"""

import os
from pathlib import Path

from . import mesh
from .authority import Authority, write_leaf
from .pods import PROXY_UID, SERVER_IP

# The suite that the sidecars agree on.
SUITE = "TLS_AES_128_GCM_SHA256"
HAPROXY_OUT = {mesh.HTTP1.service: 4140, mesh.HTTP2.service: 4142, mesh.OPAQUE.service: 4150}
HAPROXY_IN = {mesh.HTTP1.pod: 4143, mesh.HTTP2.pod: 4144, mesh.OPAQUE.pod: 4153}
ALPN = {mesh.HTTP1: "alpn http/1.1", mesh.HTTP2: "alpn h2", mesh.OPAQUE: ""}

HAPROXY_COMMON = f"""
global
  nbthread 1
  maxconn 5000
  ssl-default-server-ciphersuites {SUITE}
  ssl-default-bind-ciphersuites {SUITE}
  ssl-default-bind-options ssl-min-ver TLSv1.3
  ssl-default-server-options ssl-min-ver TLSv1.3
defaults
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
"""


def own(path: Path) -> None:
    os.chown(path, PROXY_UID, PROXY_UID)


def leaf(authority: Authority, folder: Path, role: str) -> tuple[Path, Path]:
    key, chain = folder / f"{role}.key", folder / f"{role}.crt"
    write_leaf(authority, mesh.identity(role), key, chain)
    own(key)
    return key, chain


def haproxy_files(authority: Authority, folder: Path) -> dict[str, Path]:
    for role in ("client", "server"):
        key, chain = leaf(authority, folder, role)
        both = folder / f"{role}.pem"
        both.write_bytes(chain.read_bytes() + key.read_bytes())
        own(both)
    verify = f"ca-file {authority.root_file} verify required"
    name = mesh.identity("server")
    sections = {"client": [HAPROXY_COMMON], "server": [HAPROXY_COMMON]}
    for port in mesh.PORTS:
        mode = "tcp" if port.is_opaque else "http"
        to_server = f"ssl crt {folder}/client.pem {verify} sni str({name}) verifyhost {name}"
        sections["client"].append(f"""
listen client-{port.service}
  mode {mode}
  bind 127.0.0.1:{HAPROXY_OUT[port.service]}
  server pod {SERVER_IP}:{port.pod} {to_server} {ALPN[port]}
""")
        version = "proto h2" if port is mesh.HTTP2 else ""
        sections["server"].append(f"""
listen server-{port.pod}
  mode {mode}
  bind 0.0.0.0:{HAPROXY_IN[port.pod]} ssl crt {folder}/server.pem {verify} {ALPN[port]}
  server app 127.0.0.1:{port.pod} {version}
""")
    files = {role: folder / f"haproxy-{role}.cfg" for role in sections}
    for role, file in files.items():
        file.write_text("".join(sections[role]))
    return files


def nginx_file(folder: Path, role: str, listen: str, server: str, extra: str) -> Path:
    work = folder / f"nginx-{role}"
    work.mkdir()
    own(work)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = " ".join(f"{kind}_temp_path {work}/{kind};" for kind in kinds)
    scheme = "https" if role == "client" else "http"
    file = folder / f"nginx-{role}.conf"
    file.write_text(f"""
worker_processes 1; daemon off; pid {work}/pid; error_log {work}/error.log;
events {{ worker_connections 20000; }}
http {{
  {temporary}
  access_log off; keepalive_requests 100000000; keepalive_timeout 75s;
  ssl_protocols TLSv1.3; ssl_conf_command Ciphersuites {SUITE};
  upstream pod {{ server {server}; keepalive 1024; keepalive_requests 100000000; }}
  server {{ listen {listen}; {extra}
    location / {{ proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host $http_host; proxy_pass {scheme}://pod; }} }}
}}""")
    return file


def nginx_files(authority: Authority, folder: Path) -> dict[str, Path]:
    key, chain = leaf(authority, folder, "client")
    client = f"""proxy_ssl_certificate {chain}; proxy_ssl_certificate_key {key};
    proxy_ssl_trusted_certificate {authority.root_file}; proxy_ssl_verify on;
    proxy_ssl_verify_depth 3; proxy_ssl_name {mesh.identity("server")};
    proxy_ssl_server_name on; proxy_ssl_protocols TLSv1.3;"""
    key, chain = leaf(authority, folder, "server")
    server = f"""ssl_certificate {chain}; ssl_certificate_key {key};
    ssl_client_certificate {authority.root_file}; ssl_verify_client on; ssl_verify_depth 3;"""
    pod_port = mesh.HTTP1.pod
    return {
        "client": nginx_file(folder, "client", "127.0.0.1:4140", f"{SERVER_IP}:{pod_port}", client),
        "server": nginx_file(folder, "server", "4143 ssl", f"127.0.0.1:{pod_port}", server),
    }


def backend_file(folder: Path, body: str, big_bytes: int) -> Path:
    """The application behind every subject: a fixed small answer at /, a large one at /big."""
    files = folder / "www"
    files.mkdir()
    (files / "big").write_bytes(os.urandom(big_bytes))
    file = folder / "backend.conf"
    file.write_text(f"""
user root; worker_processes 1; daemon off; pid {folder}/backend.pid;
error_log {folder}/backend.err;
events {{ worker_connections 20000; }}
http {{
  access_log off; keepalive_requests 100000000; keepalive_timeout 75s; tcp_nodelay on; sendfile on;
  open_file_cache max=10; root {files}; http2_max_concurrent_streams 1024;
  server {{ listen {mesh.HTTP1.pod} backlog=4096; listen {mesh.HTTP2.pod} http2 backlog=4096;
    location = / {{ default_type text/plain; return 200 "{body}"; }}
    location / {{ }} }}
}}""")
    return file
