"""The one error body that clients see; knows nothing of how errors arise.

All four keys are always present and `code` is text or null: https://platform.openai.com/docs/guides/error-codes.
"""

from msgspec import UNSET, Raw, UnsetType

from schemas.chat_response import ResponseStruct


class InnerError(ResponseStruct, kw_only=True):
    """Which filters met a refused prompt, category by category, in the form that Azure's clients read."""

    code: str | UnsetType = UNSET
    content_filter_result: Raw


class ErrorDetail(ResponseStruct, kw_only=True):
    """`param` is a JSON path such as `messages[2].content`; `code` is a slug such as `model_not_found`."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None
    innererror: InnerError | UnsetType = UNSET


class ErrorBody(ResponseStruct, kw_only=True):
    """`{"error": {...}}`, as an HTTP body and as a stream item."""

    error: ErrorDetail
