"""Addresses of tap events as text. Alone, so that who only reads events needs no gRPC."""

from ipaddress import IPv4Address, IPv6Address
from typing import Any


def text_of(address: Any) -> str:
    if address.WhichOneof("ip") == "ipv6":
        number = (address.ipv6.first << 64) | address.ipv6.last
        found = IPv6Address(number)
        return str(found.ipv4_mapped or found)
    return str(IPv4Address(address.ipv4))
