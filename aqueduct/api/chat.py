"""Chat completions: the hub's own dialect, as a value for the one pipeline."""

from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import Final

import msgspec
from msgspec import UNSET, Raw, UnsetType
from msgspec.structs import replace

from adapters.base import Call, ChunkStream, ReasoningBack, Result, SupportsChat
from adapters.legacy_functions import FunctionCallStream, to_function_call
from aqueduct.api import answer_form
from aqueduct.api.tool_choice import check_tool_choice
from aqueduct.dialects.decode import RequestDecoder
from aqueduct.errors import invalid_request
from aqueduct.media.length import seconds_of
from aqueduct.pipeline.fan_out import Characters, FanOut
from aqueduct.pipeline.meter import text_chars
from aqueduct.pipeline.spec import FormSpec, OperationSpec, StateSpec, StreamSpec, Units, answers
from aqueduct.vault import keys, states
from schemas.chat_request import (
    AssistantMessage,
    AudioPart,
    AudioURLPart,
    ChatRequest,
    Content,
    FunctionTool,
    ImagePart,
    JsonObjectFormat,
    JsonSchemaFormat,
    RefusalPart,
    TextPart,
    VideoPart,
)
from schemas.chat_response import ChatCompletion, ChatCompletionChunk, ChoiceDelta, ChunkChoice
from schemas.usage import Usage

_encode = msgspec.json.Encoder().encode
# What chat templates add, seen in recorded traffic: instructions for tools and forms, and frames around each.
MESSAGE_TOKENS: Final = 8
TOOLS_TOKENS: Final = 350
TOOL_TOKENS: Final = 32
FORM_TOKENS: Final = 200
MEDIA_PART_CHARS: Final = 3000
"""What an image, file or recording counts for in an estimate: about 1,000 tokens."""


class StrictChatRequest(ChatRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A chat request without unknown top-level fields."""


def _call(adapter: object, request: ChatRequest, call: Call) -> Awaitable[Result[ChatCompletion]]:
    chat = _supporting(adapter).chat
    if request.n is not None and request.n > 1:
        chat = partial(_FAN_OUT.chat, _supporting(adapter))
    if request.functions and not request.tools:
        return _with_function_calls(chat(request, call))
    return chat(request, call)


async def _with_function_calls(made: Awaitable[Result[ChatCompletion]]) -> Result[ChatCompletion]:
    result = await made
    to_function_call(result.body)
    return result


def _open(adapter: object, request: ChatRequest, call: Call) -> Awaitable[ChunkStream[ChatCompletionChunk]]:
    open_stream = _supporting(adapter).chat_stream
    if request.n is not None and request.n > 1:
        open_stream = partial(_FAN_OUT.chat_stream, _supporting(adapter))
    if request.functions and not request.tools:
        return _with_function_chunks(open_stream(request, call))
    return open_stream(request, call)


async def _with_function_chunks(
    made: Awaitable[ChunkStream[ChatCompletionChunk]],
) -> ChunkStream[ChatCompletionChunk]:
    return FunctionCallStream(await made)


def _supporting(adapter: object) -> SupportsChat:
    return adapter  # type: ignore[return-value]  # the pipeline has checked the Protocol once per adapter


def _wants_reasoning_back(adapter: object, request: ChatRequest, call: Call) -> ReasoningBack:
    wants: Callable[[ChatRequest, Call], ReasoningBack] | None = getattr(adapter, "wants_reasoning_back", None)
    return "never" if wants is None else wants(request, call)


def content_chars(chunk: ChatCompletionChunk) -> int:
    """Return how many characters of the answer a chunk carries, 0 for role, annotation and finish chunks."""
    chars = 0
    for choice in chunk.choices:
        delta = choice.delta
        content = delta.content
        if content:
            chars += len(content) if content.isascii() else text_chars(content)
        if delta.reasoning_content:
            chars += _chars(delta.reasoning_content)
        if delta.tool_calls:
            chars += sum(_call_chars(call.function, call.custom) for call in delta.tool_calls)
        if delta.refusal:
            chars += _chars(delta.refusal)
        if delta.reasoning_details or delta.audio or delta.images or delta.function_call:
            chars += 1
    return chars


def _call_chars(function: object, custom: object) -> int:
    chars = 1
    for part in (function, custom):
        for name in ("name", "arguments", "input"):
            value = getattr(part, name, UNSET)
            chars += _chars(value) if isinstance(value, str) else 0
    return chars


def _chars(text: str) -> int:
    return len(text) if text.isascii() else text_chars(text)


def _output_chars(body: ChatCompletion) -> int:
    chars = 0
    for choice in body.choices:
        message = choice.message
        chars += sum(map(_chars, (message.content or "", message.reasoning_content or "", message.refusal or "")))
        for call in message.tool_calls or ():
            chars += _call_chars(getattr(call, "function", None), getattr(call, "custom", None))
    return chars


def _mask_usage(chunk: ChatCompletionChunk) -> None:
    chunk.usage = None


def _usage_chunk(like: ChatCompletionChunk, usage: Usage) -> ChatCompletionChunk:
    return ChatCompletionChunk(
        id=like.id,
        choices=[],
        created=like.created,
        model=like.model,
        service_tier=like.service_tier,
        system_fingerprint=like.system_fingerprint,
        usage=usage.to_completion_usage(),
    )


def _chunk_finish_reason(chunk: ChatCompletionChunk) -> str | None:
    for choice in chunk.choices:
        if choice.finish_reason is not None:
            return choice.finish_reason
    return None


def _cut(like: ChatCompletionChunk, numbers: Collection[int]) -> ChatCompletionChunk:
    return ChatCompletionChunk(
        id=like.id,
        choices=[ChunkChoice(index=number, delta=ChoiceDelta(), finish_reason="length") for number in numbers],
        created=like.created,
        model=like.model,
        service_tier=like.service_tier,
        system_fingerprint=like.system_fingerprint,
    )


def _choices(chunk: ChatCompletionChunk) -> Collection[int]:
    return [choice.index for choice in chunk.choices]


def _bounded(request: ChatRequest, tokens: int) -> ChatRequest:
    return replace(request, max_completion_tokens=max(1, tokens // answers(request)))


def _finish_reason(body: ChatCompletion) -> str | None:
    return body.choices[0].finish_reason if body.choices else None


def _prompt_chars(request: ChatRequest) -> int:
    chars = 0
    for message in request.messages:
        chars += _content_chars(message.content)
        if isinstance(message, AssistantMessage):
            chars += _answer_chars(message)
    for tool in request.tools or ():
        if isinstance(tool, FunctionTool):
            chars += len(tool.function.name) + text_chars(tool.function.description or "")
            chars += 0 if tool.function.parameters is UNSET else _raw_chars(tool.function.parameters)
        else:
            chars += _json_chars(tool)
    for function in request.functions or ():
        chars += _json_chars(function)
    if isinstance(request.response_format, JsonSchemaFormat):
        schema = request.response_format.json_schema.schema
        chars += 0 if schema is UNSET else _raw_chars(schema)
    return chars


def _template_tokens(request: ChatRequest) -> int:
    tools = len(request.tools or ()) + len(request.functions or ())
    tokens = MESSAGE_TOKENS * (len(request.messages) - 1)
    tokens += TOOLS_TOKENS + TOOL_TOKENS * tools if tools else 0
    return tokens + (FORM_TOKENS if isinstance(request.response_format, JsonSchemaFormat | JsonObjectFormat) else 0)


def _units(request: ChatRequest) -> Units:
    """Return what may be charged beside tokens: each image and recording, and the searches of each answer."""
    images = recordings = 0
    for message in request.messages:
        if message.content is not None and not isinstance(message.content, str):
            kinds = [type(part) for part in message.content]
            images += kinds.count(ImagePart)
            recordings += sum(kinds.count(kind) for kind in (AudioPart, AudioURLPart, VideoPart))
        if isinstance(message, AssistantMessage):
            images += len(message.images or ())
            recordings += message.audio is not None
    search = request.web_search_options
    return Units(
        images=images,
        recordings=recordings,
        may_search=True,
        asks_to_search=search is not UNSET and bytes(search) != b"null",
        answers=answers(request),
    )


def _taken(request: ChatRequest, max_seconds: int) -> Usage:
    """Return the seconds of the recordings that the request holds itself."""
    seconds = 0
    for message in request.messages:
        if message.content is not None and not isinstance(message.content, str):
            held = [part.input_audio.data for part in message.content if isinstance(part, AudioPart)]
            seconds += sum(min(seconds_of(data) or 0, max_seconds) for data in held)
    return Usage(seconds=seconds)


def _answer_chars(message: AssistantMessage) -> int:
    """Return what an earlier answer holds beside its content; of several forms of its reasoning, one goes back."""
    chars = text_chars(message.refusal or "")
    for call in message.tool_calls or ():
        chars += _call_chars(getattr(call, "function", None), getattr(call, "custom", None))
    if message.function_call is not None:
        chars += _json_chars(message.function_call)
    forms = (message.reasoning_details, message.thinking_blocks, message.tensorzero_extra_content, message.reasoning)
    written = max((_json_chars(form) for form in forms if form), default=0)
    chars += max(written, text_chars(message.reasoning_content or ""))
    chars += MEDIA_PART_CHARS * (len(message.images or ()) + (message.audio is not None))
    return chars


def _json_chars(value: object) -> int:
    return _raw_chars(_encode(value))


def _raw_chars(data: Raw | bytes) -> int:
    """Return the characters of JSON, weighed like text; bytes beyond ASCII are two a token."""
    text = bytes(data)
    return len(text) if text.isascii() else text_chars(text.decode("utf-8", "replace"))


def _content_chars(content: Content | list[TextPart] | None) -> int:
    if content is None or isinstance(content, str):
        return text_chars(content or "")
    chars = 0
    for part in content:
        if isinstance(part, TextPart):
            chars += text_chars(part.text)
        elif isinstance(part, RefusalPart):
            chars += text_chars(part.refusal)
        else:
            chars += MEDIA_PART_CHARS
    return chars


def _validate(request: ChatRequest) -> None:
    if not request.messages:
        raise invalid_request("invalid_value", "'messages' is empty; send at least one message.", "messages")
    for index, tool in enumerate(request.tools or ()):
        if isinstance(tool, FunctionTool):
            _require_object(tool.function.parameters, f"tools[{index}].function.parameters")
    for index, function in enumerate(request.functions or ()):
        _require_object(function.parameters, f"functions[{index}].parameters")
    if isinstance(request.response_format, JsonSchemaFormat):
        _require_object(request.response_format.json_schema.schema, "response_format.json_schema.schema")
    _require_object(request.web_search_options, "web_search_options")
    if request.tool_choice is not None or request.function_call is not None:
        check_tool_choice(request)


def _require_object(raw: Raw | UnsetType, path: str) -> None:
    if raw is not UNSET and bytes(raw)[:1] not in {b"{", b"n"}:
        raise invalid_request("invalid_type", f"Invalid value for '{path}': Expected `object`.", path)


_FAN_OUT: Final = FanOut(Characters(prompt=_prompt_chars, answer=_output_chars, chunk=content_chars))
CHAT: Final = OperationSpec[ChatRequest, ChatCompletion, ChatCompletionChunk](
    name="chat",
    path="/chat/completions",
    summary="Create a chat completion",
    supports=SupportsChat,
    request_type=ChatRequest,
    body_type=ChatCompletion,
    chunk_type=ChatCompletionChunk,
    decoder=RequestDecoder(ChatRequest, StrictChatRequest),
    call=_call,
    finish_reason=_finish_reason,
    prompt_chars=_prompt_chars,
    template_tokens=_template_tokens,
    output_chars=_output_chars,
    units=_units,
    taken=_taken,
    validate=_validate,
    bounded=_bounded,
    stream=StreamSpec(
        open=_open,
        content_chars=content_chars,
        mask_usage=_mask_usage,
        usage_chunk=_usage_chunk,
        finish_reason=_chunk_finish_reason,
        cut=_cut,
        choices=_choices,
    ),
    form=FormSpec(
        schema=answer_form.schema,
        texts=answer_form.texts,
        is_complete=answer_form.is_complete,
        asked_again=answer_form.asked_again,
        collector=answer_form.StreamedTexts,
        wants_verdict=answer_form.wants_verdict,
        tell=answer_form.tell,
    ),
    states=StateSpec(
        wanted=_wants_reasoning_back,
        lacks_any=keys.lacks_any,
        lacking=keys.lacking,
        restored=states.restored,
        of_body=states.of_completion,
        may_call_tools=states.may_call_tools,
        collector=states.StreamedState,
    ),
)
