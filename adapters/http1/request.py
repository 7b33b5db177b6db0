"""From a `Request` to the bytes of its head, and where to send it; no I/O.

Whatever could end a header line early, or say a second time how long the body is, is refused here.
"""

import re
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from adapters.errors import ErrorKind, ProviderError
from adapters.transport import Header, Request

_OWN_HEADERS: Final = frozenset({b"host", b"content-length", b"transfer-encoding", b"accept-encoding"})
_VISIBLE: Final = re.compile(r"[!-~]+")


class Origin(NamedTuple):
    """Where connections of one pool go."""

    host: str
    port: int
    tls: bool


def parse_url(url: str) -> tuple[Origin, bytes, bytes]:
    """Return the origin, the `Host` header and the request target (path and query) of an absolute URL."""
    if not _VISIBLE.fullmatch(url):
        raise _unusable("The provider's URL must be of visible ASCII characters.")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise _unusable("The provider's base URL is not valid.") from None
    if parts.scheme not in {"http", "https"} or not host or port == 0:
        raise _unusable("The provider's base URL must be an absolute http(s) URL.")
    tls = parts.scheme == "https"
    target = parts.path or "/"
    if parts.query:
        target = f"{target}?{parts.query}"
    origin = Origin(host, port or (443 if tls else 80), tls)
    return origin, parts.netloc.rpartition("@")[2].encode("ascii"), target.encode("ascii")


split_url = lru_cache(maxsize=4096)(parse_url)
"""For URLs of the operator's configuration, of which there are few."""


def encode_head(request: Request, host: bytes, target: bytes) -> bytes:
    """Return the request line and all headers, up to the empty line."""
    return _lines(request.method, target, host, tuple(request.headers)) % len(request.body)


@lru_cache(maxsize=1024)
def _lines(method: str, target: bytes, host: bytes, headers: tuple[Header, ...]) -> bytes:
    """Return the head with a place for the body's length: most requests of a deployment differ in nothing else."""
    lines = [
        b"%b %b HTTP/1.1\r\nhost: %b\r\naccept-encoding: identity\r\ncontent-length: " % (method.encode(), target, host)
    ]
    for name, value in headers:
        if name.lower() in _OWN_HEADERS:
            raise _illegal(name, "is set by the HTTP client alone")
        lines.append(b"%b: %b\r\n" % (name, value))
    lines.append(b"\r\n")
    head = b"".join(lines)
    count = len(headers) + 4
    if head.count(b"\n") != count or head.count(b"\r") != count or b"\0" in head:
        raise _illegal(_culprit(headers), "has an illegal character")
    first, rest = lines[0].replace(b"%", b"%%"), b"".join(lines[1:]).replace(b"%", b"%%")
    return first + b"%d\r\n" + rest


def _culprit(headers: tuple[Header, ...]) -> bytes:
    return next((name for name, value in headers if any(byte in name + value for byte in b"\r\n\0")), b"?")


def _illegal(name: bytes, why: str) -> ProviderError:
    shown = name.decode("ascii", "replace").split("\r")[0].split("\n")[0]
    return ProviderError(ErrorKind.CREDENTIALS, f"The header '{shown}' {why}.")


def _unusable(why: str) -> ProviderError:
    return ProviderError(ErrorKind.CONNECTION, why)
