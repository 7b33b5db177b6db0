"""Failures of OpenAI-format servers to `ProviderError`; knows no retry policy.

Source: https://platform.openai.com/docs/guides/error-codes, and the spellings of servers that follow it in part:
`error` as an object or a text, `detail` (FastAPI), `message` at the top, codes as text or integer.
"""

import re
from collections.abc import Mapping
from typing import Final, cast

import msgspec
from msgspec import UNSET, Raw

from adapters.errors import UNREADABLE, ErrorKind, ProviderError, is_context_overflow, kind_of_status
from adapters.exchange import MAX_RETRY_AFTER_S, Failure
from schemas.errors import InnerError

JSON = Mapping[str, object]

_CODE_KINDS: Final = {
    "invalid_api_key": ErrorKind.CREDENTIALS,
    "incorrect_api_key": ErrorKind.CREDENTIALS,
    "authentication_error": ErrorKind.CREDENTIALS,
    "permission_error": ErrorKind.CREDENTIALS,
    "insufficient_quota": ErrorKind.CREDENTIALS,
    "billing_hard_limit_reached": ErrorKind.CREDENTIALS,
    "billing_not_active": ErrorKind.CREDENTIALS,
    "exceeded_current_quota_error": ErrorKind.CREDENTIALS,
    "Arrearage": ErrorKind.CREDENTIALS,
    "context_length_exceeded": ErrorKind.CONTEXT_LENGTH,
    "exceed_context_size_error": ErrorKind.CONTEXT_LENGTH,
    "tokens_limit_reached": ErrorKind.CONTEXT_LENGTH,
    "content_filter": ErrorKind.CONTENT_POLICY,
    "content_policy_violation": ErrorKind.CONTENT_POLICY,
    "invalid_prompt": ErrorKind.CONTENT_POLICY,
    "data_inspection_failed": ErrorKind.CONTENT_POLICY,
    "ResponsibleAIPolicyViolation": ErrorKind.CONTENT_POLICY,
    "model_not_found": ErrorKind.MODEL_NOT_FOUND,
    "invalid_model": ErrorKind.MODEL_NOT_FOUND,
    "DeploymentNotFound": ErrorKind.MODEL_NOT_FOUND,
    "unsupported_parameter": ErrorKind.UNSUPPORTED_PARAMETER,
    "rate_limit_exceeded": ErrorKind.RATE_LIMIT,
    "overloaded": ErrorKind.OVERLOADED,
    "overloaded_error": ErrorKind.OVERLOADED,
    "engine_overloaded_error": ErrorKind.OVERLOADED,
    "queue_exceeded": ErrorKind.OVERLOADED,
    "capacity_exceeded": ErrorKind.OVERLOADED,
    "server_error": ErrorKind.SERVER_ERROR,
    "internal_error": ErrorKind.SERVER_ERROR,
}
# Said under a status that does not tell the fault: 400 by hosts that have no code for it, 500 by llama.cpp.
_PHRASES: Final = (
    ("does not support parameter", ErrorKind.UNSUPPORTED_PARAMETER),
    ("argument not supported on this model", ErrorKind.UNSUPPORTED_PARAMETER),
    ("incorrect api key provided", ErrorKind.CREDENTIALS),
    ("is not a valid model id", ErrorKind.MODEL_NOT_FOUND),
    ("model not found:", ErrorKind.MODEL_NOT_FOUND),
    ("the supported api model names are", ErrorKind.MODEL_NOT_FOUND),
    ("image input is not supported", ErrorKind.UNSUPPORTED_PARAMETER),
    ("audio input is not supported", ErrorKind.UNSUPPORTED_PARAMETER),
    ("is too large to process. increase the physical batch size", ErrorKind.CONTEXT_LENGTH),
)
# Said under a status that tells another fault, whatever the code.
_STRONGER: Final = (
    ("request too large for", frozenset({413, 429}), ErrorKind.REQUEST_TOO_LARGE),  # for the account's limit, for ever
    ("content violates usage guidelines", frozenset({400, 403}), ErrorKind.CONTENT_POLICY),  # xAI
    ("used all available credits", frozenset({403, 429}), ErrorKind.CREDENTIALS),  # xAI
    ("insufficient balance", frozenset({400, 429}), ErrorKind.CREDENTIALS),
    ("is suspended, ", frozenset({400, 412, 429}), ErrorKind.CREDENTIALS),
)
_NO_MODEL: Final = re.compile(r"model \S{1,256} does not exist")
_PARAM: Final = re.compile(r"Field '([\w.]{1,64})': ")  # llama.cpp has no member for it
_REQUEST_IDS: Final = ("x-request-id", "apim-request-id", "x-ms-request-id", "request-id", "cf-ray")
_CONTEXT_MARK: Final = "exceeded max context length by"  # Ollama's words
MAX_FILTERED_BYTES: Final = 4096
NO_DETAIL: Final = "The provider gave no reason."


def to_error(failure: Failure) -> ProviderError:
    """Return the error of an answer that is no success."""
    return _build(_decode(failure.body), failure)


def to_error_inside(body: bytes) -> ProviderError:
    """Return the error that arrived inside a 200, as a body or as a stream item."""
    return _build(_decode(body), None)


def _build(document: JSON, failure: Failure | None) -> ProviderError:
    error = document.get("error")
    detail = _object(error) or document
    message = _words(error) or _words(document.get("message")) or _words(document.get("detail")) or NO_DETAIL
    status = failure.status if failure is not None else _status(detail)
    built = ProviderError(
        _kind(status, detail, message, inside=failure is None),
        message,
        status=status,
        code=_text(detail.get("code")) or _text(detail.get("type")),
        param=_text(detail.get("param")) or _param_in(message),
        retry_after_s=_retry_after_s(detail, failure),
        upstream_request_id=_request_id(failure),
    )
    if built.kind is ErrorKind.CONTENT_POLICY:
        built.filtered = _filtered(detail)
    return built


def _retry_after_s(detail: JSON, failure: Failure | None) -> float | None:
    """Return what the headers say, else the `retryDelay` among the details, in seconds: `34.5s`."""
    told = failure.retry_after_s if failure is not None else None
    details = detail.get("details")
    if told is not None or not isinstance(details, list):
        return told
    delays = (_text((_object(one) or {}).get("retryDelay")) for one in cast("list[object]", details))
    try:
        seconds = float(next((delay for delay in delays if delay), "").removesuffix("s"))
    except ValueError:
        return None
    return seconds if 0 <= seconds <= MAX_RETRY_AFTER_S else None


def _filtered(detail: JSON) -> InnerError | None:
    """Return what a refusal's `innererror` says of each filter, without all else that may stand there."""
    inner = _object(detail.get("innererror")) or {}
    result = _object(inner.get("content_filter_result"))
    if not result:
        return None
    encoded = msgspec.json.encode(result)
    if len(encoded) > MAX_FILTERED_BYTES:
        return None
    return InnerError(code=_text(inner.get("code")) or UNSET, content_filter_result=Raw(encoded))


def _kind(status: int | None, detail: JSON, message: str, *, inside: bool) -> ErrorKind:
    words = [word for name in ("code", "type") if (word := _text(detail.get(name)))]
    if is_context_overflow(words[0] if words else None, message) or _CONTEXT_MARK in message:
        return ErrorKind.CONTEXT_LENGTH
    lowered = message.lower()
    if stronger := next((kind for phrase, under, kind in _STRONGER if status in under and phrase in lowered), None):
        return stronger
    if status == 500 and (special := _by_words(lowered)):
        return special
    for word in (*words, *_inner_codes(detail)):
        if word in _CODE_KINDS and (status is None or status < 500 or not inside):
            return _of_code(word, status)
    if status is None:
        return ErrorKind.SERVER_ERROR
    special = _by_words(lowered) if status in {400, 422} else None
    return special or kind_of_status(status)


def _of_code(code: str, status: int | None) -> ErrorKind:
    """Return a code's kind; `server_error` says less than a status of 503 or 504."""
    kind = _CODE_KINDS[code]
    return kind_of_status(status) if kind is ErrorKind.SERVER_ERROR and status in {503, 504, 529} else kind


def _by_words(lowered: str) -> ErrorKind | None:
    if _NO_MODEL.fullmatch(lowered):
        return ErrorKind.MODEL_NOT_FOUND
    return next((special for phrase, special in _PHRASES if phrase in lowered), None)


def _inner_codes(detail: JSON) -> list[str]:
    inner = _object(detail.get("innererror")) or {}
    code = _text(inner.get("code"))
    return [code] if code else []


def _status(detail: JSON) -> int | None:
    """The HTTP status that an error inside a 200 names itself."""
    for name in ("status_code", "code", "status"):
        value = _text(detail.get(name))
        if value is not None and value.isdigit() and 400 <= int(value) < 600:
            return int(value)
    return None


def _words(value: object) -> str | None:
    """Return the message in a text, an object or a list of objects (FastAPI's validation errors)."""
    if isinstance(value, list):
        found = (_words(item) for item in cast("list[object]", value))
        return next((words for words in found if words), None)
    document = _object(value)
    if document is None:
        return _text(value)
    return next((words for name in ("message", "msg", "detail") if (words := _words(document.get(name)))), None)


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return value or None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return None


def _param_in(message: str) -> str | None:
    found = _PARAM.match(message)
    return found[1] if found else None


def _object(value: object) -> JSON | None:
    return cast("JSON", value) if isinstance(value, dict) else None


def _decode(body: bytes) -> JSON:
    try:
        document: object = msgspec.json.decode(body)
    except UNREADABLE:
        return {}
    if isinstance(document, list):
        items = cast("list[object]", document)
        first = _object(items[0]) if items else None
        return first if first is not None and "error" in first else {"error": items}  # some put the whole into a list
    return _object(document) or {"error": document}


def _request_id(failure: Failure | None) -> str | None:
    if failure is None:
        return None
    return next((failure.headers[name] for name in _REQUEST_IDS if name in failure.headers), None)
