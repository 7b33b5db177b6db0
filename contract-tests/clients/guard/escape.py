"""Tries to leave the machine by each road that a client could take, and reaches a loopback address."""

import json
import socket
import sys
import urllib.request
from collections.abc import Callable


def connected(host: str, port: int) -> None:
    """Open a connection and end it."""
    socket.create_connection((host, port), timeout=2).close()


def datagram() -> None:
    """Send without a connection."""
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 53))


TRIES: dict[str, Callable[[], object]] = {
    "name": lambda: urllib.request.build_opener(urllib.request.ProxyHandler({})).open("http://example.com", timeout=2),
    "address": lambda: connected("192.0.2.1", 80),
    "datagram": datagram,
    "loopback": lambda: connected("127.0.0.1", int(sys.argv[1])),
}


def reached(attempt: Callable[[], object]) -> bool:
    """Whether an attempt came through."""
    try:
        attempt()
    except OSError:
        return False
    return True


sys.stdout.write(json.dumps({name: reached(attempt) for name, attempt in TRIES.items()}))
