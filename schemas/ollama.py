"""What Ollama's own API takes and answers: chat, embeddings and the model list; knows no hub type.

Source: https://github.com/ollama/ollama/blob/main/docs/api.md and the `ollama` package 0.6, checked 2026-11-26.
Requests are exact; answers are lenient and hold only what is used. `Raw` fields are JSON byte for byte.
"""

from typing import Literal

from msgspec import UNSET, Raw, Struct, UnsetType


class OllamaRequestStruct(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of everything that is sent: immutable, absent fields stay absent."""


class OllamaResponseStruct(Struct, frozen=True, kw_only=True):
    """Base of everything that is read: every field may be absent."""


# --- requests ---------------------------------------------------------------------------------------------------------


class CalledFunction(OllamaRequestStruct, frozen=True, kw_only=True):
    """`arguments` is a JSON object."""

    name: str
    arguments: Raw


class ToolCall(OllamaRequestStruct, frozen=True, kw_only=True):
    """A call in an earlier answer."""

    id: str
    function: CalledFunction
    type: Literal["function"] = "function"


class Message(OllamaRequestStruct, frozen=True, kw_only=True):
    """One message. `images` are base64; `tool_name` and `tool_call_id` say what a result answers."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    thinking: str | None = None
    images: list[str] | None = None
    tool_calls: list[ToolCall] | None = None
    tool_name: str | None = None
    tool_call_id: str | None = None


class Function(OllamaRequestStruct, frozen=True, kw_only=True):
    """`parameters` is a JSON schema."""

    name: str
    parameters: Raw
    description: str | None = None


class Tool(Struct, frozen=True, kw_only=True):
    """A function that the model may call."""

    function: Function
    type: Literal["function"] = "function"


class Options(OllamaRequestStruct, frozen=True, kw_only=True):
    """Sampling and memory. `num_predict` bounds the answer, `num_ctx` the prompt and the answer together."""

    num_ctx: int | None = None
    num_predict: int | None = None
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    seed: int | None = None
    stop: list[str] | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None


class ChatRequest(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body of `/api/chat`. `format` is `"json"` or a JSON schema; `stream` is true where it is absent."""

    model: str
    messages: list[Message]
    stream: bool
    tools: list[Tool] | None = None
    format: Raw | None = None
    options: Options | None = None
    think: bool | Literal["low", "medium", "high"] | None = None
    keep_alive: str | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None


class EmbedRequest(OllamaRequestStruct, frozen=True, kw_only=True):
    """The body of `/api/embed`."""

    model: str
    input: list[str]
    dimensions: int | None = None
    truncate: bool | None = None
    keep_alive: str | None = None


# --- answers ----------------------------------------------------------------------------------------------------------


class ReceivedFunction(OllamaResponseStruct, frozen=True, kw_only=True):
    """`arguments` is an object."""

    name: str | None = None
    arguments: Raw | UnsetType = UNSET


class ReceivedCall(OllamaResponseStruct, frozen=True, kw_only=True):
    """A whole call; older servers give no id."""

    id: str | None = None
    function: ReceivedFunction | None = None


class ReceivedMessage(OllamaResponseStruct, frozen=True, kw_only=True):
    """A message or a piece of one."""

    content: str | None = None
    thinking: str | None = None
    tool_calls: list[ReceivedCall] | None = None


class ReceivedLogprob(OllamaResponseStruct, frozen=True, kw_only=True):
    """One token with its log probability, and the likely others."""

    token: str
    logprob: float
    bytes: list[int] | None = None
    top_logprobs: "list[ReceivedLogprob] | None" = None


class Counters(OllamaResponseStruct, frozen=True, kw_only=True):
    """Tokens, and durations in nanoseconds, in the last line of an answer."""

    prompt_eval_count: int | None = None
    eval_count: int | None = None
    total_duration: int | None = None
    load_duration: int | None = None
    prompt_eval_duration: int | None = None
    eval_duration: int | None = None


class ChatResponse(Counters, frozen=True, kw_only=True):
    """A whole answer, a line of a stream, or an error in their place."""

    model: str | None = None
    message: ReceivedMessage | None = None
    done: bool = False
    done_reason: str | None = None
    logprobs: list[ReceivedLogprob] | None = None
    error: str | None = None


class EmbedResponse(Counters, frozen=True, kw_only=True):
    """The vectors in the order of the inputs, or an error in their place."""

    model: str | None = None
    embeddings: list[list[float]] | None = None
    error: str | None = None


class ErrorResponse(OllamaResponseStruct, frozen=True, kw_only=True):
    """What a failure says; the OpenAI-format endpoint and proxies nest it."""

    error: str | dict[str, object] | None = None


class ListedModel(OllamaResponseStruct, frozen=True, kw_only=True):
    """One entry of the model list."""

    name: str | None = None
    model: str | None = None


class ModelList(OllamaResponseStruct, frozen=True, kw_only=True):
    """The answer of `/api/tags`."""

    models: list[ListedModel]
