"""The addresses by which other machines reach this one.

A machine's own name often stands for 127.0.0.1 or 127.0.1.1, which no other machine can use. The way to another one
tells the address that it sees. All of this is about gloo, which CPUs use: NCCL chooses by NCCL_SOCKET_IFNAME.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import socket
import struct
from collections.abc import Sequence

VARIABLE = "GLOO_SOCKET_IFNAME"  # the network interface to use, where the user has chosen
_ELSEWHERE = "192.0.2.1"  # of no machine, by agreement: the way there is the way out
_SIOCGIFADDR = 0x8915  # Linux's question for the address of an interface


def outward() -> str:
    """Return this machine's address on the way out; without one that of its first network, or one that means itself."""
    with contextlib.suppress(OSError):
        return towards(_ELSEWHERE)
    return next((address for address in _interfaces().values() if not is_local(address)), "127.0.0.1")


def towards(host: str) -> str:
    """Return this machine's address on the way to a host, or that of the interface that the user has chosen.

    OSError where there is none. Nothing is sent. Where the system does not say an interface's address, it is not asked.
    """
    chosen = os.environ.get(VARIABLE, "").split(",")[0]
    if chosen:
        try:
            return _address(chosen)
        except OSError as error:
            if error.errno == errno.ENODEV:
                says = f"{VARIABLE} says {chosen!r}, which is no network interface of this machine"
                raise OSError(error.errno, says) from None
    family, kind, protocol, _, address = socket.getaddrinfo(host, 9, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind, protocol) as way:
        way.connect(address)
        return str(way.getsockname()[0])


def among(mine: str, others: Sequence[str]) -> str:
    """Return this machine's address for the others that meet at a host.

    mine, others: the addresses on the ways to that host. The host's own way to itself means something else to others.
    """
    away = [other for other in others if not is_local(other)]
    return towards(away[0]) if is_local(mine) and away else mine


def is_local(address: str) -> bool:
    """Return True for an address that means, on each machine, that machine."""
    return ipaddress.ip_address(address.split("%", maxsplit=1)[0]).is_loopback


def interface(address: str) -> str | None:
    """Return the name of the network interface that has an address; None where the system does not say."""
    return next((name for name, of in _interfaces().items() if of == address), None)


def _interfaces() -> dict[str, str]:
    """Return the addresses of the network interfaces that have one, by name; none where the system does not say."""
    found = {}
    for _, name in socket.if_nameindex():
        with contextlib.suppress(OSError):
            found[name] = _address(name)
    return found


def _address(name: str) -> str:
    """Return the address of a network interface; OSError where it has none, or where the system does not say."""
    try:
        import fcntl
    except ImportError as error:
        raise OSError(str(error)) from error
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        answer = fcntl.ioctl(any_socket.fileno(), _SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
    return socket.inet_ntoa(answer[20:24])
