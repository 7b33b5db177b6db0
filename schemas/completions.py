"""Legacy text completions as OpenAI has them; knows no provider.

Source: https://platform.openai.com/docs/api-reference/completions. As to conventions, see `chat_request`.
"""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Raw, UnsetType

from schemas.chat_request import AtLeastOne, RequestStruct, StreamOptions
from schemas.chat_response import CompletionUsage, ResponseStruct


class CompletionRequest(RequestStruct, frozen=True, kw_only=True):
    """One legacy completion request. `prompt` is text, several texts, tokens or several token lists."""

    model: str
    prompt: str | list[str | int | list[int]] | None
    best_of: AtLeastOne | None = None
    echo: bool | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: int | None = None
    max_tokens: Annotated[int, Meta(ge=0)] | None = None
    n: AtLeastOne | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    suffix: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    user: str | None = None


class CompletionChoice(ResponseStruct, kw_only=True):
    """One of `n` answers; in a stream, a piece of it, with `finish_reason` only in its last chunk."""

    text: str
    index: int
    finish_reason: Literal["stop", "length", "content_filter"] | None = None
    logprobs: Raw | None = None


class Completion(ResponseStruct, kw_only=True):
    """A whole answer, or one stream item: OpenAI uses the same object for both."""

    id: str
    choices: list[CompletionChoice]
    created: int
    model: str
    object: Literal["text_completion"] = "text_completion"
    system_fingerprint: str | UnsetType | None = UNSET
    usage: CompletionUsage | UnsetType | None = UNSET
