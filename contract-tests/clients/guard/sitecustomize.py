"""Loaded before a client's program: a connection that would leave the machine is refused, and said on stderr."""

import socket
import sys

MARK = "REFUSED-BY-GUARD"


def guarded(event: str, arguments: tuple[object, ...]) -> None:
    """Audit hook: `socket.connect` and `socket.sendto` to anything but loopback and pipes of this machine."""
    if event not in {"socket.connect", "socket.sendto"}:
        return
    address = arguments[1]
    if not isinstance(address, tuple):
        return
    host = str(address[0])
    if host in {"localhost", "::1"} or host.startswith("127."):
        return
    sys.stderr.write(f"{MARK} {host}\n")
    raise ConnectionRefusedError(f"the guard refuses a connection to {host}")


def resolving(event: str, arguments: tuple[object, ...]) -> None:
    """Audit hook: a name is not looked up, because that already leaves the machine."""
    if event != "socket.getaddrinfo":
        return
    host = arguments[0]
    host = host.decode() if isinstance(host, bytes) else host
    if host is None or host in {"", "localhost", "::1"} or str(host).startswith("127."):
        return
    sys.stderr.write(f"{MARK} {host}\n")
    raise socket.gaierror(f"the guard looks up no {host}")


sys.addaudithook(guarded)
sys.addaudithook(resolving)
