"""Tool messages to function responses; knows no turn.

A result is a JSON object for Gemini: https://ai.google.dev/api/caching#FunctionResponse. An object travels as it is,
any other JSON value and plain text under `result`, an error under `error`.
"""

from collections.abc import Sequence

import msgspec
from msgspec import Raw

from adapters.google.models import ModelFacts
from schemas.google.request import FunctionResponse, FunctionResponsePart, Part

_EMPTY = Raw(b"{}")


def to_response_parts(
    parts: Sequence[Part], name: str, call_id: str | None, facts: ModelFacts, *, is_error: bool = False
) -> list[Part]:
    """Return the function response, followed by media that the model takes only beside it."""
    texts = [part.text for part in parts if part.text is not None]
    media = [part for part in parts if part.text is None]
    inside = media if facts.media_in_results else []
    response = FunctionResponse(
        name=name,
        id=call_id,
        response=_EMPTY if media and not texts else to_object("".join(texts), is_error=is_error),
        parts=[FunctionResponsePart(inline_data=part.inline_data, file_data=part.file_data) for part in inside] or None,
    )
    return [Part(function_response=response), *([] if facts.media_in_results else media)]


def to_object(text: str, *, is_error: bool) -> Raw:
    """Return a result as a JSON object."""
    data = text.encode("utf-8", "replace").strip()
    try:
        value: object = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError):
        value, data = text, msgspec.json.encode(text)
    if is_error:
        return Raw(b'{"error":' + data + b"}")
    return Raw(data if isinstance(value, dict) else b'{"result":' + data + b"}")
