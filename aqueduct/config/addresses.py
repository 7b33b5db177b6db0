"""What may stand in a file about a remote server: its URL, its credential, what is sent along; must not know its kind.

No message shows a value that may be confidential.
"""

import re
from collections.abc import Generator, Iterator, Mapping
from typing import Final
from urllib.parse import SplitResult, parse_qsl, urlsplit

from aqueduct.config import document as doc
from aqueduct.config.shapes import Reason, duplicates

MAX_HEADER_CHARS: Final = 2_000
_ENV_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_HEADER_VALUE: Final = re.compile(r"[\x20-\x7e]{0,2000}")
_CREDENTIAL_HEADERS: Final = re.compile(r"(?i)(proxy-)?authorization|cookie|(x-)?(\w+-)*api-key|.*-token|.*-secret")
_CREDENTIAL_QUERY: Final = re.compile(r"(?i).*(key|token|secret|passw|auth|credential|signature).*")
_FRAMING_HEADERS: Final = frozenset(
    {"connection", "content-encoding", "content-length", "content-type", "host", "te", "transfer-encoding", "upgrade"}
)
_PROTOCOL_HEADERS: Final = frozenset({"accept", "last-event-id", "mcp-protocol-version", "mcp-session-id"})


def base_url_reasons(path: str, url: str) -> Iterator[Reason]:
    """Refuse what no path can be appended to; empty is allowed."""
    parts = None
    if url:
        parts = yield from _url(path, url, "'secret'")
    if parts is not None and (parts.query or parts.fragment or url.endswith(("?", "#"))):
        yield path, "must end with the path, without '?' and '#'; what adapters need besides goes into 'options'"


def endpoint_reasons(path: str, url: str) -> Iterator[Reason]:
    """Refuse what is not the whole address of an endpoint, or holds a credential that would be shown."""
    parts = yield from _url(path, url, "'headers'")
    if parts is None:
        return
    if not url.startswith(("http://", "https://")):
        yield path, "must begin with http:// or https:// in lower case"
    elif "#" in url:
        yield path, "must not hold a fragment; remove the '#' and what is behind it"
    elif any(_CREDENTIAL_QUERY.fullmatch(name) for name, _ in parse_qsl(parts.query, keep_blank_values=True)):
        yield path, "holds a credential; put it into 'headers', where it is protected"


def _url(path: str, url: str, where: str) -> Generator[Reason, None, SplitResult | None]:
    """Refuse what is no URL of a server; returns its parts otherwise. `where` says where credentials belong."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        yield path, "is no URL; write it as https://host/prefix"
        return None
    if parts.scheme not in {"http", "https"} or not host:
        yield path, "must be a URL that begins with http:// or https:// and names a host"
    elif re.search(r"[\s\x00-\x1f\x7f]", url) or not url.isascii():
        yield path, "must be printable ASCII without blanks; write other letters percent-encoded"
    elif parts.username is not None or parts.password is not None:
        yield path, f"must not hold a user or a password; credentials belong into {where}"
    else:
        return parts
    return None


def secret_reasons(path: str, secret: str | None) -> Iterator[Reason]:
    """Refuse what cannot be a credential or the name of its variable."""
    if secret is None or secret == doc.STORED_SECRET:
        return
    if secret.startswith(doc.ENV_PREFIX):
        if not _ENV_NAME.fullmatch(secret.removeprefix(doc.ENV_PREFIX)):
            yield path, "names no environment variable; write it as env:NAME with letters, digits and '_'"
    elif not secret or secret != secret.strip() or not secret.isprintable() or len(secret) > 20_000:
        yield path, "is no credential: it is empty, too long, or has blanks at its ends or control characters"


def header_reasons(path: str, headers: Mapping[str, str]) -> Iterator[Reason]:
    """Refuse headers that cannot be sent, and those that hold credentials."""
    yield from _header_names(path, headers)
    for name, value in headers.items():
        if _CREDENTIAL_HEADERS.fullmatch(name):
            yield f"{path}.{name}", "holds a credential; put that into 'secret', where it is protected"
        elif not _HEADER_VALUE.fullmatch(value):
            yield f"{path}.{name}", _NOT_SENDABLE


def secret_header_reasons(path: str, headers: Mapping[str, str]) -> Iterator[Reason]:
    """Refuse headers that cannot be sent; each value is a credential or the name of its variable."""
    yield from _header_names(path, headers)
    for name, value in headers.items():
        where = f"{path}.{name}"
        if name.lower() in _PROTOCOL_HEADERS:
            yield where, "is set by the gateway itself; remove it"
        yield from secret_reasons(where, value)
        if not _HEADER_VALUE.fullmatch(value):
            yield where, _NOT_SENDABLE


_NOT_SENDABLE: Final = f"has a value with other than printable ASCII characters, or with more than {MAX_HEADER_CHARS}"


def _header_names(path: str, headers: Mapping[str, str]) -> Iterator[Reason]:
    yield from duplicates("header", ((f"{path}.{name}", name.lower()) for name in headers))
    for name in headers:
        if not _HEADER_NAME.fullmatch(name):
            yield f"{path}.{name}", "is no valid header name"
        elif name.lower() in _FRAMING_HEADERS:
            yield f"{path}.{name}", "is set by the gateway itself; remove it"
