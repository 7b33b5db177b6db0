"""The headers of an answer; knows no operation."""

import re
import time
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

from aqueduct.auth.credentials import CREDENTIAL_HEADERS
from aqueduct.pipeline.context import RequestContext
from aqueduct.usage.pricing import to_text

Headers = list[tuple[bytes, bytes]]
MAX_CLIENT_ID_CHARS: Final = 128
MAX_VALUE_CHARS: Final = 2048
_READ: Final = CREDENTIAL_HEADERS | {
    b"content-encoding",
    b"content-length",
    b"content-type",
    b"x-aqueduct-include-cost",
    b"x-aqueduct-include-provider-headers",
    b"x-client-request-id",
    b"x-request-id",
}
_INCLUDE: Final = b"x-aqueduct-include-"
_TOKEN: Final = re.compile(r"[a-z0-9-]{1,100}")
_STREAM: Final = (
    b"content-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\nx-accel-buffering: no\r\n"
)


def json_head(context: RequestContext, length: int) -> bytes:
    """Return the header lines of a whole answer or an error; `length` is the body's, in bytes."""
    head = b"content-type: application/json\r\ncontent-length: %d\r\n%b" % (length, _common(context))
    if context.schema_valid is not None:
        head += b"x-aqueduct-schema-valid: %b\r\n" % (b"true" if context.schema_valid else b"false")
    return head


def stream_head(context: RequestContext) -> bytes:
    """Return the header lines of a stream."""
    return _STREAM + _common(context)


def as_headers(head: bytes) -> Headers:
    """Return header lines in the form that the server's messages have."""
    pairs = [line.partition(b": ") for line in head.split(b"\r\n")[:-1]]
    return [(name, value) for name, _, value in pairs]


def relevant(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Return the headers of a request that an operation reads, in their order; SDKs send twenty others."""
    return [header for header in headers if header[0] in _READ]


def client_request_id(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """Return the id that the client gave its request, None where it is unprintable or too long."""
    found: bytes | None = None
    for name, value in headers:
        if name == b"x-client-request-id" or (name == b"x-request-id" and found is None):
            found = value
    if found is None or len(found) > MAX_CLIENT_ID_CHARS:
        return None
    text = found.decode("latin-1")
    return text if text.isascii() and text.isprintable() else None


def note_wishes(headers: Iterable[tuple[bytes, bytes]], context: RequestContext) -> None:
    """Note what the client wants to be told: the cost in the usage of its stream, the provider's own rate limits."""
    for name, value in headers:
        if value == b"1" and name.startswith(_INCLUDE):
            if name == b"x-aqueduct-include-cost":
                context.include_cost = True
            elif name == b"x-aqueduct-include-provider-headers":
                context.include_provider_headers = True


def _common(context: RequestContext) -> bytes:
    """Return the lines as they are sent: a list of pairs, rendered later, costs three times as much."""
    elapsed_s = time.perf_counter() - context.started
    head = (
        b"x-request-id: %b\r\nopenai-processing-ms: %d\r\n"
        b"openai-version: 2020-10-01\r\nx-aqueduct-overhead-ms: %.3f\r\n"
        % (context.request_id.encode(), elapsed_s * 1000, max(0.0, (elapsed_s - context.waited_s) * 1000))
    )
    principal, model = context.principal, context.model
    head += _names(
        None if principal is None else principal.org_slug,
        None if model is None else model[:MAX_VALUE_CHARS],
        context.provider,
        context.deployment_id,
        context.attempts,
    )
    if context.dropped_params:
        head += _line(b"x-aqueduct-dropped-params", ",".join(context.dropped_params))
    if context.limit_headers is not None:
        head += context.limit_headers()
    if context.provider_headers:
        head += _of_provider(context.provider_headers)
    if context.usage is not None:
        head += b"x-aqueduct-usage-source: %b\r\n" % context.usage.source.encode()
    if context.cost is not None:
        head += b"x-aqueduct-cost: %b\r\n" % to_text(context.cost).encode()
    return head


@lru_cache(maxsize=1024)
def _names(org: str | None, model: str | None, provider: str | None, deployment_id: str | None, attempts: int) -> bytes:
    """Return the lines that most requests of an organisation have in common."""
    head = b"" if org is None else _line(b"openai-organization", org)
    if model is not None:
        head += _line(b"x-aqueduct-model", model)
    if provider is not None:
        head += _line(b"x-aqueduct-provider", provider) + _line(b"x-aqueduct-deployment", deployment_id or "")
        head += b"x-aqueduct-attempts: %d\r\n" % attempts
    return head


def _of_provider(headers: Mapping[str, str]) -> bytes:
    lines = (
        _line(b"llm_provider-" + name.encode(), value) for name, value in headers.items() if _TOKEN.fullmatch(name)
    )
    return b"".join(lines)


def _line(name: bytes, value: str) -> bytes:
    return b"%b: %b\r\n" % (name, _safe(value))


def _safe(text: str) -> bytes:
    """Return a header value: bounded, and what is not printable ASCII becomes `?`."""
    text = text[:MAX_VALUE_CHARS]
    data = text.encode("ascii", "replace")
    return data if text.isprintable() else bytes(byte if 32 <= byte < 127 else 63 for byte in data)
