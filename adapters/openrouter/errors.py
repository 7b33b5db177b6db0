"""OpenRouter's failures to `ProviderError`: its own words and those of the provider behind it; knows no retry policy.

Source: https://openrouter.ai/docs/api-reference/errors and recorded answers, checked 2026-11-26. `error.code` is the
HTTP status as a number, `error.metadata` says more: `raw` is what the provider behind said (a text, or its body),
`provider_name` who it is, `reasons` why moderation refused a prompt. Statuses: 402 no credits, 403 moderation, 408 time
out, 502 the chosen model is down, 503 no provider meets the routing.
"""

from contextlib import suppress
from typing import Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from adapters.errors import ErrorKind, ProviderError, is_context_overflow
from adapters.exchange import UNREADABLE, Failure
from adapters.openai import errors as openai_errors

GENERIC: Final = "Provider returned error"
_UNKNOWN_MODEL: Final = ("is not a valid model id", "does not exist", "no endpoints found for")


class _Metadata(Struct, frozen=True):
    """What is said beside the message."""

    raw: Raw | UnsetType = UNSET
    reasons: list[str] | None = None
    provider_name: str | None = None


class _Detail(Struct, frozen=True):
    """`error`."""

    message: str | None = None
    metadata: _Metadata | None = None


class _Body(Struct, frozen=True):
    """A failure."""

    error: _Detail | None = None


_DECODER: Final = msgspec.json.Decoder(_Body)
_TEXT: Final = msgspec.json.Decoder(str)


def to_error(failure: Failure) -> ProviderError:
    """Return the error of an answer that is no success."""
    error = openai_errors.to_error(failure)
    try:
        detail = _DECODER.decode(failure.body).error or _Detail()
    except UNREADABLE:
        return error
    metadata = detail.metadata or _Metadata()
    message = _words(detail, metadata) or error.message
    return ProviderError(
        _kind(error, message, metadata),
        message,
        status=error.status,
        code=error.code,
        param=error.param,
        retry_after_s=error.retry_after_s,
        upstream_request_id=error.upstream_request_id,
    )


def _words(detail: _Detail, metadata: _Metadata) -> str | None:
    """Return what the provider behind said where OpenRouter says nothing but that there was an error."""
    if detail.message != GENERIC or isinstance(metadata.raw, UnsetType):
        return detail.message
    raw = bytes(metadata.raw)
    with suppress(*UNREADABLE):  # a body that is no text is read as it is
        raw = _TEXT.decode(raw).encode("utf-8", "replace")
    said = openai_errors.to_error_inside(raw).message
    if said == openai_errors.NO_DETAIL:
        said = raw.decode("utf-8", "replace").strip()
    return said or detail.message


def _kind(error: ProviderError, message: str, metadata: _Metadata) -> ErrorKind:
    if error.status == 403 and metadata.reasons is not None:
        return ErrorKind.CONTENT_POLICY
    if error.kind is ErrorKind.INVALID_REQUEST:
        if is_context_overflow(None, message):
            return ErrorKind.CONTEXT_LENGTH
        if any(words in message.lower() for words in _UNKNOWN_MODEL):
            return ErrorKind.MODEL_NOT_FOUND
    return error.kind
