"""Failures of Claude on Vertex AI to `ProviderError`; knows no retry policy.

A request that reaches the model fails in Anthropic's form, one that Google turns away in that of `google.rpc.Status`.
"""

import msgspec
from msgspec import Struct

from adapters.anthropic import errors as anthropic
from adapters.errors import UNREADABLE, ProviderError
from adapters.exchange import Failure
from adapters.google import errors as google


class _Form(Struct):
    type: str | None = None


_DECODER = msgspec.json.Decoder(_Form)


def to_claude_error(failure: Failure) -> ProviderError:
    """Return the error of an answer that is no success."""
    try:
        is_anthropics = _DECODER.decode(failure.body).type == "error"
    except UNREADABLE:
        is_anthropics = False
    return anthropic.to_error(failure) if is_anthropics else google.to_error(failure)
