"""OpenRouter's failures to `ProviderError`: its own words and those of the provider behind it; knows no retry policy.

Sources: https://openrouter.ai/docs/api-reference/errors, OpenRouter's OpenAPI document, recorded answers, and bodies as
users reported them, checked 2026-11-27. `error.code` is the HTTP status as a number, `error.metadata` says more:

    raw                 what the provider behind said (a text, or its body)
    error_type          OpenRouter's own closed list of reasons, the same for every provider and API
    reasons, patterns   why moderation or a guardrail refused a prompt
    limit_source        whose limit was met; a budget for requests in flight is a 402 that passes by itself
    retry_after_seconds where the header says nothing
    headers             where that says nothing either: when a limit of the account is reset, in Unix milliseconds

Once a model is at work the status is 200: the error stands at the top of the body or event, or at the choice.
"""

from contextlib import suppress
from typing import Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from adapters.errors import UNREADABLE, ErrorKind, ProviderError, is_context_overflow
from adapters.exchange import MAX_RETRY_AFTER_S, Failure
from adapters.openai import errors as openai_errors

GENERIC: Final = "Provider returned error"
_PASSING_BUDGET: Final = "openrouter_in_flight_budget"
_WORDS: Final = (
    ("no endpoints found that", ErrorKind.UNSUPPORTED_PARAMETER),  # support tool use, image input, the parameters
    ("is not a valid model id", ErrorKind.MODEL_NOT_FOUND),
    ("does not exist", ErrorKind.MODEL_NOT_FOUND),
    ("no endpoints found for", ErrorKind.MODEL_NOT_FOUND),
)
_INAPPROPRIATE: Final = "may contain inappropriate content"  # a provider's filter, said as if it were down
_TYPES: Final = {
    "context_length_exceeded": ErrorKind.CONTEXT_LENGTH,
    "max_tokens_exceeded": ErrorKind.INVALID_REQUEST,
    "string_too_long": ErrorKind.INVALID_REQUEST,
    "invalid_request": ErrorKind.INVALID_REQUEST,
    "invalid_prompt": ErrorKind.INVALID_REQUEST,
    "unprocessable": ErrorKind.INVALID_REQUEST,
    "precondition_failed": ErrorKind.INVALID_REQUEST,
    "invalid_image": ErrorKind.INVALID_REQUEST,
    "image_too_large": ErrorKind.INVALID_REQUEST,
    "image_too_small": ErrorKind.INVALID_REQUEST,
    "unsupported_image_format": ErrorKind.INVALID_REQUEST,
    "image_not_found": ErrorKind.INVALID_REQUEST,
    "image_download_failed": ErrorKind.INVALID_REQUEST,
    "payload_too_large": ErrorKind.REQUEST_TOO_LARGE,
    "content_policy_violation": ErrorKind.CONTENT_POLICY,
    "refusal": ErrorKind.CONTENT_POLICY,
    "authentication": ErrorKind.CREDENTIALS,
    "permission_denied": ErrorKind.CREDENTIALS,
    "payment_required": ErrorKind.CREDENTIALS,
    "token_limit_exceeded": ErrorKind.CREDENTIALS,  # what the account's credit allows
    "rate_limit_exceeded": ErrorKind.RATE_LIMIT,
    "provider_overloaded": ErrorKind.OVERLOADED,
    "provider_unavailable": ErrorKind.SERVER_ERROR,
    "server": ErrorKind.SERVER_ERROR,
    "timeout": ErrorKind.TIMEOUT,
}


class _Limit(Struct, frozen=True):
    """A limit of the account."""

    reset: str | float = msgspec.field(name="X-RateLimit-Reset")


class _Metadata(Struct, frozen=True):
    """What is said beside the message."""

    raw: Raw | UnsetType = UNSET
    reasons: Raw | UnsetType = UNSET
    patterns: Raw | UnsetType = UNSET
    error_type: str | None = None
    limit_source: str | None = None
    retry_after_seconds: float | str | None = None
    headers: Raw | UnsetType = UNSET


class _Detail(Struct, frozen=True):
    """`error`."""

    message: str | None = None
    metadata: _Metadata | None = None


class _Choice(Struct, frozen=True):
    """A choice that an error has ended."""

    error: Raw | UnsetType = UNSET


class _Body(Struct, frozen=True):
    """A failure, at the top or at the first choice."""

    error: Raw | UnsetType = UNSET
    choices: list[_Choice] | None = None


_BODY: Final = msgspec.json.Decoder(_Body)
_DETAIL: Final = msgspec.json.Decoder(_Detail)
_LIMIT: Final = msgspec.json.Decoder(_Limit)
_TEXT: Final = msgspec.json.Decoder(str)
_NULL: Final = b"null"


def to_error(failure: Failure) -> ProviderError:
    """Return the error of an answer that is no success."""
    error = openai_errors.to_error(failure)
    error.upstream_request_id = failure.headers.get("x-generation-id") or error.upstream_request_id
    told = _told(failure.body)
    return error if told is None else _refined(error, told, failure.sent_at_s)


def to_error_inside(body: bytes, otherwise: ProviderError) -> ProviderError:
    """Return the error that a body or an event under 200 tells; `otherwise` where it tells none."""
    told = _told(body)
    return otherwise if told is None else _refined(openai_errors.to_error_inside(b'{"error":%b}' % told), told)


def _told(body: bytes) -> bytes | None:
    """Return `error` of the body, else that of its first choice."""
    try:
        document = _BODY.decode(body)
    except UNREADABLE:
        return None
    found = [document.error, *(choice.error for choice in (document.choices or ())[:1])]
    return next((raw for error in found if isinstance(error, Raw) and (raw := bytes(error)) != _NULL), None)


def _refined(error: ProviderError, told: bytes, sent_at_s: float | None = None) -> ProviderError:
    try:
        detail = _DETAIL.decode(told)
    except UNREADABLE:
        return error
    metadata = detail.metadata or _Metadata()
    message = _words(detail, metadata) or error.message
    return ProviderError(
        _kind(error, message, metadata),
        message,
        status=error.status,
        code=metadata.error_type or error.code,
        param=error.param,
        retry_after_s=error.retry_after_s if error.retry_after_s is not None else _seconds(metadata, sent_at_s),
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
    lowered = message.lower()
    if error.status == 403 and (_is_given(metadata.reasons) or _is_given(metadata.patterns)):
        return ErrorKind.CONTENT_POLICY
    if metadata.limit_source == _PASSING_BUDGET:
        return ErrorKind.RATE_LIMIT
    kind = _TYPES.get(metadata.error_type or "", error.kind)
    if _INAPPROPRIATE in lowered:
        return ErrorKind.CONTENT_POLICY
    if kind in {ErrorKind.INVALID_REQUEST, ErrorKind.MODEL_NOT_FOUND}:
        if is_context_overflow(None, message):
            return ErrorKind.CONTEXT_LENGTH
        return next((special for words, special in _WORDS if words in lowered), kind)
    return kind


def _is_given(raw: Raw | UnsetType) -> bool:
    return not isinstance(raw, UnsetType) and bytes(raw) != _NULL


def _seconds(metadata: _Metadata, sent_at_s: float | None) -> float | None:
    """Return how long to wait; `sent_at_s` is when the answer was sent by the provider's clock."""
    seconds = metadata.retry_after_seconds
    if isinstance(seconds, float) and seconds > 0:
        return seconds
    if isinstance(metadata.headers, UnsetType) or sent_at_s is None:
        return None
    try:
        wait = float(_LIMIT.decode(metadata.headers).reset) / 1000 - sent_at_s
    except (*UNREADABLE, ValueError):
        return None
    return max(0.0, wait) if wait <= MAX_RETRY_AFTER_S else None
