"""The hub's chat request to the body that an OpenAI-format server takes; knows no HTTP.

The hub's form is the server's, so a request travels as it is but for the superset fields and what `Quirks` says.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec
from msgspec import UNSET, Raw, Struct
from msgspec.structs import replace

from adapters.base import Call, Losses
from adapters.errors import ErrorKind, ProviderError
from adapters.extra_params import forwardable
from adapters.form_in_words import told_in_words
from adapters.legacy_functions import with_tools
from adapters.openai.addresses import refuse_addresses
from adapters.openai.messages import to_messages
from adapters.openai.quirks import Quirks
from adapters.openai.reasoning import to_reasoning
from adapters.openai.sampling import bound_sampling
from adapters.parameters import one_answer_only, refuse_modalities
from schemas.chat_request import (
    AllowedToolsChoice,
    ChatRequest,
    CustomToolChoice,
    FunctionTool,
    FunctionToolChoice,
    JsonObjectFormat,
    JsonSchemaFormat,
    Message,
    StreamOptions,
    Tool,
    ToolReference,
)

_ENCODER: Final = msgspec.json.Encoder()
_CHANGES = dict[str, object]
_NULL: Final = Raw(b"null")
_USAGE_ONLY: Final = StreamOptions(include_usage=True)
ToMessages = Callable[[Sequence[Message], Quirks, Losses], Sequence[Struct]]


def to_chat_body(
    request: ChatRequest,
    call: Call,
    quirks: Quirks,
    *,
    stream: bool,
    messages: ToMessages = to_messages,
    added: Mapping[str, Raw] | None = None,
) -> tuple[bytes, tuple[str, ...]]:
    """Return the JSON body and the request fields that were dropped or changed.

    `messages` translates those; the members of `added`, which are the operator's, stand above the client's.

    Raises:
        ProviderError: the server cannot be asked for this, or the model's policy rejects a loss.
    """
    if not quirks.functions:
        request = with_tools(request)
    losses = Losses(call.deployment.extra_params)
    extra = forwardable(call, losses) if call.extra_params else {}
    if not quirks.json_schema and isinstance(request.response_format, JsonSchemaFormat):
        losses.drop("response_format")
        request = replace(told_in_words(request), response_format=JsonObjectFormat())
    changes: _CHANGES = {
        "model": call.deployment.upstream_model,
        "messages": messages(request.messages, quirks, losses),
        "stream": True if stream else None,
        "stream_options": to_stream_options(request.stream_options, quirks, losses) if stream else None,
    }
    if call.deployment.options:
        refuse_addresses(request.messages, call.deployment)
    if request.modalities and not quirks.draws:
        refuse_modalities(request, "image")
    drop_unknown(request, quirks, changes, losses)
    _bound_output(request, quirks, changes)
    to_reasoning(request, quirks, changes, extra, losses)
    if request.tools:
        _to_tools(request, request.tools, quirks, changes, losses)
    else:
        # Without tools these ask for nothing, but servers refuse them.
        changes["tools"] = changes["tool_choice"] = changes["parallel_tool_calls"] = None
    bound_sampling(request, call.deployment, quirks, changes, losses)
    if quirks.renames:
        rename(request, quirks, changes, extra)
    return encode_body(replace(request, **changes), {**extra, **added} if added else extra), losses.dropped


def to_stream_options(options: StreamOptions | None, quirks: Quirks, losses: Losses) -> StreamOptions | None:
    """Return the options that ask for usage, with the client's obfuscation wish where the server has such a thing."""
    if options is not None and options.include_obfuscation is not None:
        if quirks.obfuscation:
            return StreamOptions(include_usage=True, include_obfuscation=options.include_obfuscation)
        losses.drop("stream_options.include_obfuscation")
    return _USAGE_ONLY if quirks.stream_usage else None


def drop_unknown(request: Struct, quirks: Quirks, changes: _CHANGES, losses: Losses) -> None:
    """Leave out the fields that the server does not know."""
    for name in quirks.drops:
        value = getattr(request, name, None)
        if value is None or value is UNSET:
            continue
        if name == "n" and value != 1:
            raise one_answer_only()
        if value != _NULL:
            losses.drop(name)
        changes[name] = UNSET if isinstance(value, Raw) else None


def rename(request: Struct, quirks: Quirks, changes: _CHANGES, extra: dict[str, Raw]) -> None:
    """Give fields the server's own names."""
    for name, wire_name in quirks.renames.items():
        value = changes.get(name, getattr(request, name, None))
        if value is not None:
            changes[name] = None
            extra.setdefault(wire_name, Raw(_ENCODER.encode(value)))


def encode_body(wire: Struct, extra: Mapping[str, Raw]) -> bytes:
    """Return the JSON of `wire` with the members of `extra` after its own, byte for byte."""
    body = _ENCODER.encode(wire)
    if not extra:
        return body
    members = b",".join(_ENCODER.encode(name) + b":" + bytes(value) for name, value in extra.items())
    return b"%b,%b}" % (body[:-1], members)


def _bound_output(request: ChatRequest, quirks: Quirks, changes: _CHANGES) -> None:
    bound = request.max_tokens if request.max_completion_tokens is None else request.max_completion_tokens
    if bound is None or quirks.max_tokens_field is None:
        return
    changes["max_tokens"] = changes["max_completion_tokens"] = None
    changes[quirks.max_tokens_field] = bound


def _to_tools(request: ChatRequest, tools: list[Tool], quirks: Quirks, changes: _CHANGES, losses: Losses) -> None:
    choice = request.tool_choice
    if isinstance(choice, AllowedToolsChoice) and not quirks.allowed_tools:
        names = [_referenced(tool) for tool in choice.allowed_tools.tools]
        tools = _only(tools, names, "tool_choice.allowed_tools")
        changes["tools"], changes["tool_choice"] = tools, choice.allowed_tools.mode
    elif isinstance(choice, FunctionToolChoice | CustomToolChoice) and not quirks.named_choice:
        named = choice.function if isinstance(choice, FunctionToolChoice) else choice.custom
        tools = _only(tools, [named.name], "tool_choice")
        changes["tools"], changes["tool_choice"] = tools, "required"
    if not quirks.cache_control and any(isinstance(tool, FunctionTool) and tool.cache_control for tool in tools):
        losses.drop("cache_control")
        changes["tools"] = [
            replace(tool, cache_control=None) if isinstance(tool, FunctionTool) else tool for tool in tools
        ]


def _only(tools: list[Tool], names: Sequence[str | None], param: str) -> list[Tool]:
    kept = [tool for tool in tools if _tool_name(tool) in names]
    if not kept:
        message = f"'{param}' names no tool of the request."
        raise ProviderError(ErrorKind.INVALID_REQUEST, message, param=param)
    return kept


def _tool_name(tool: Tool) -> str:
    return tool.function.name if isinstance(tool, FunctionTool) else tool.custom.name


def _referenced(tool: ToolReference) -> str | None:
    named = tool.function or tool.custom
    return named.name if named else None
