"""What of diagnostics needs no cluster."""

from tulle.cli.diagnostics import admin_port, mesh_port, obfuscated


def test_names_are_hidden_but_stay_comparable():
    line = 'x{authority="web:80",direction="in",dst_service="web"} 1\n'
    hidden = obfuscated(line)
    assert "web" not in hidden
    assert 'direction="in"' in hidden
    assert hidden == obfuscated(line)


def test_the_admin_port_is_that_of_the_proxy():
    ports = [{"name": "linkerd-proxy", "containerPort": 4143}]
    ports.append({"name": "linkerd-admin", "containerPort": 9999})
    pod = {"spec": {"containers": [{"name": "tulle-proxy", "ports": ports}]}}
    assert admin_port(pod) == 9999
    assert mesh_port(pod) == 4143
    assert admin_port({"spec": {"containers": []}}) == 4191
    assert mesh_port({"spec": {"containers": []}}) == 4143
