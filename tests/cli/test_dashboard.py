"""Which port `tulle viz dashboard` listens on when it is taken."""

import errno

import pytest

from tulle.cli.dashboard import PORT, _on_port
from tulle.cli.target import Failure
from tulle.k8s.portforward import Forward

TAKEN = OSError(errno.EADDRINUSE, "address already in use")


def ports(*taken, refusal=TAKEN):
    async def forwarding(port):
        if port in taken:
            raise refusal
        return Forward(port or 40123)

    return forwarding


async def test_the_usual_port_gives_way_and_says_so(capsys):
    assert (await _on_port(ports(), None)).port == PORT
    assert (await _on_port(ports(PORT), None)).port == 40123
    assert f"the port {PORT} is taken" in capsys.readouterr().err


async def test_a_port_that_was_asked_for_is_refused_with_a_way_out():
    assert (await _on_port(ports(PORT), 8085)).port == 8085
    with pytest.raises(Failure, match="the port 8085 of this machine is taken; give another by -p"):
        await _on_port(ports(8085), 8085)


async def test_another_trouble_is_told_as_it_is():
    with pytest.raises(PermissionError):
        await _on_port(ports(80, refusal=PermissionError(errno.EACCES, "denied")), 80)
