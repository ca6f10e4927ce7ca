"""HTTPS that tells an application who its client is: the certificate of mutual TLS."""

import ssl
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

PEER_CERTIFICATE = "peer_certificate"


class PeerProtocol(H11Protocol):
    """Puts the verified certificate, as `getpeercert` has it, into each request's state."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.app_state = {
            **self.app_state,
            PEER_CERTIFICATE: transport.get_extra_info("peercert") or None,
        }


def asks_for_certificates(context: ssl.SSLContext, authorities: str) -> None:
    """A client may come without one; one that these did not sign ends the handshake."""
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_verify_locations(cadata=authorities)
