"""A chat request to the body of `/api/chat`; knows no transport.

Source: https://github.com/ollama/ollama/blob/main/docs/api.md, checked 2026-11-26. What Ollama has no equivalent for is
dropped and named; what would change the meaning of the answer is refused.
"""

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Raw, UnsetType

from adapters.base import Deployment, Losses
from adapters.errors import ErrorKind, ProviderError
from adapters.form_in_words import told_in_words
from adapters.legacy_functions import with_tools
from adapters.ollama.messages import to_ollama_messages
from adapters.ollama.thinking import to_think
from adapters.ollama.tools import to_tools
from adapters.parameters import drop_given, refuse_modalities, refuse_several_answers
from schemas import chat_request as hub
from schemas import ollama as wire

_NO_EQUIVALENT: Final = (
    "audio",
    "logit_bias",
    "metadata",
    "moderation",
    "prediction",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "safety_identifier",
    "user",
    "verbosity",
    "web_search_options",
    "store",
)
_ANY_JSON: Final = Raw(b'"json"')


def to_chat_request(
    request: hub.ChatRequest, deployment: Deployment, losses: Losses, *, stream: bool
) -> wire.ChatRequest:
    """Return the body; raises `ProviderError` for what cannot be sent, with its JSON path."""
    _refuse(request)
    is_legacy = request.function_call is not None
    request = with_tools(request)
    _note_losses(request, losses)
    options = deployment.options
    tools = to_tools(request, losses, "function_call" if is_legacy else "tool_choice")
    if tools and request.response_format is not None:
        request = _beside_tools(request, losses)
    return wire.ChatRequest(
        model=deployment.upstream_model,
        messages=to_ollama_messages(request.messages, losses),
        stream=stream,
        tools=tools or None,
        format=_format(request.response_format),
        options=_options(request, options),
        think=to_think(request, options, losses),
        keep_alive=options.get("keep_alive"),
        logprobs=request.logprobs or None,
        top_logprobs=request.top_logprobs or None,
    )


def _refuse(request: hub.ChatRequest) -> None:
    refuse_several_answers(request)
    refuse_modalities(request, "audio", "image")


def _note_losses(request: hub.ChatRequest, losses: Losses) -> None:
    drop_given(request, _NO_EQUIVALENT, losses)
    if request.service_tier not in {None, "auto", "default"}:
        losses.drop("service_tier")


def _beside_tools(request: hub.ChatRequest, losses: Losses) -> hub.ChatRequest:
    """Return the request with the form in words: a `format` binds every token, so that no tool would be called.

    Source: https://github.com/ollama/ollama/issues/13750.
    """
    if isinstance(request.response_format, hub.TextFormat):
        return request
    if isinstance(request.response_format, hub.JsonSchemaFormat):
        losses.drop("response_format")
    return told_in_words(request)


def _format(wanted: hub.ResponseFormat | None) -> Raw | None:
    match wanted:
        case hub.JsonObjectFormat():
            return _ANY_JSON
        case hub.JsonSchemaFormat(json_schema=given):
            return _ANY_JSON if isinstance(given.schema, UnsetType) else given.schema
        case hub.TextFormat() | None:
            return None


def _options(request: hub.ChatRequest, options: Mapping[str, str]) -> wire.Options | None:
    bound = request.max_tokens if request.max_completion_tokens is None else request.max_completion_tokens
    found = wire.Options(
        num_ctx=_whole_number(options, "num_ctx"),
        num_predict=bound,
        temperature=request.temperature,
        top_k=request.top_k,
        top_p=request.top_p,
        seed=request.seed,
        stop=[request.stop] if isinstance(request.stop, str) else request.stop or None,
        frequency_penalty=request.frequency_penalty,
        presence_penalty=request.presence_penalty,
    )
    return None if found == wire.Options() else found


def _whole_number(options: Mapping[str, str], name: str) -> int | None:
    value = options.get(name)
    if value is None:
        return None
    try:
        return msgspec.convert(value, int, strict=False)
    except msgspec.ValidationError:
        message = f"The deployment's option '{name}' is no whole number."
        raise ProviderError(ErrorKind.MODEL_NOT_FOUND, message) from None
