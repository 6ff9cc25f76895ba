"""Who a server on this machine is for, and by what names it may be asked."""

import ipaddress
import re


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach that address.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def own_names(host: str) -> frozenset[str] | None:
    """What a browser on this machine may call a server that listens there; None: anything.

    A page elsewhere whose name somebody lets point here calls it something else. The port may be
    any: a browser leaves 80 out, and a tunnel has one of its own.

    >>> sorted(own_names("127.0.0.2")), own_names("0.0.0.0")
    (['127.0.0.1', '127.0.0.2', '[::1]', 'localhost'], None)
    """
    if not is_loopback(host):
        return None
    named = f"[{host}]" if ":" in host else host
    return frozenset((named.casefold(), "localhost", "127.0.0.1", "[::1]"))


def asked_name(header: str) -> str:
    """The name in a Host header, without the port.

    >>> asked_name("LocalHost:8000"), asked_name("[::1]:80"), asked_name("[::1]")
    ('localhost', '[::1]', '[::1]')
    """
    return re.sub(r":\d*$", "", header.casefold())
