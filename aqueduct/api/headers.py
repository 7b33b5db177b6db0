"""The headers of an answer; knows no operation."""

import re
import time
from collections.abc import Iterable, Mapping
from typing import Final

from aqueduct.pipeline.context import RequestContext
from aqueduct.usage.pricing import to_text

Headers = list[tuple[bytes, bytes]]
OPENAI_VERSION: Final = b"2020-10-01"
MAX_CLIENT_ID_CHARS: Final = 128
MAX_VALUE_CHARS: Final = 2048
_INCLUDE: Final = b"x-aqueduct-include-"
_TOKEN: Final = re.compile(r"[a-z0-9-]{1,100}")
_JSON: Final = (b"content-type", b"application/json")
_STREAM: Final = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)


def json_headers(context: RequestContext, length: int) -> Headers:
    """Return the headers of a whole answer or an error; `length` is the body's, in bytes."""
    headers = [_JSON, (b"content-length", b"%d" % length), *_common(context)]
    if context.schema_valid is not None:
        headers.append((b"x-aqueduct-schema-valid", b"true" if context.schema_valid else b"false"))
    return headers


def stream_headers(context: RequestContext) -> Headers:
    """Return the headers of a stream."""
    return [*_STREAM, *_common(context)]


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


def _common(context: RequestContext) -> Headers:
    elapsed_s = time.perf_counter() - context.started
    headers: Headers = [
        (b"x-request-id", context.request_id.encode()),
        (b"openai-processing-ms", b"%d" % (elapsed_s * 1000)),
        (b"openai-version", OPENAI_VERSION),
        (b"x-aqueduct-overhead-ms", b"%.3f" % max(0.0, (elapsed_s - context.upstream_s) * 1000)),
    ]
    if context.principal is not None:
        headers.append((b"openai-organization", _safe(context.principal.org_slug)))
    if context.model is not None:
        headers.append((b"x-aqueduct-model", _safe(context.model)))
    if context.provider is not None:
        headers.append((b"x-aqueduct-provider", _safe(context.provider)))
        headers.append((b"x-aqueduct-deployment", _safe(context.deployment_id or "")))
        headers.append((b"x-aqueduct-attempts", b"%d" % context.attempts))
    if context.dropped_params:
        headers.append((b"x-aqueduct-dropped-params", _safe(",".join(context.dropped_params))))
    if context.limit_headers is not None:
        headers += context.limit_headers()
    if context.provider_headers:
        headers += _of_provider(context.provider_headers)
    if context.usage is not None:
        headers.append((b"x-aqueduct-usage-source", context.usage.source.encode()))
    if context.cost is not None:
        headers.append((b"x-aqueduct-cost", to_text(context.cost).encode()))
    return headers


def _of_provider(headers: Mapping[str, str]) -> Headers:
    return [
        (b"llm_provider-" + name.encode(), _safe(value)) for name, value in headers.items() if _TOKEN.fullmatch(name)
    ]


def _safe(text: str) -> bytes:
    """Return a header value: bounded, and what is not printable ASCII becomes `?`."""
    text = text[:MAX_VALUE_CHARS]
    data = text.encode("ascii", "replace")
    return data if text.isprintable() else bytes(byte if 32 <= byte < 127 else 63 for byte in data)
