"""A chat request to the body of `/v2/chat`; knows no transport.

Source: https://docs.cohere.com/v2/reference/chat. What Cohere has no equivalent for is dropped and named; what would
change the meaning of the answer is refused.
"""

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from adapters.answer_tool import JSON_TOOL, demands_call
from adapters.base import Deployment, Losses
from adapters.cohere.messages import Conversation
from adapters.cohere.thinking import thinks, to_thinking
from adapters.cohere.tools import NAMES, to_tools
from adapters.form_in_words import told_in_words
from adapters.legacy_functions import with_tools
from adapters.parameters import drop_given, refuse_modalities, refuse_several_answers, stop_sequences, within
from adapters.tool_names import ToolNames
from schemas import chat_request as hub
from schemas import cohere as wire

_MOST_K: Final = 500
_MOST_STOPS: Final = 5
_LEAST_P: Final = 0.01
_MOST_P: Final = 0.99
_UINT64: Final = 2**64
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


class Translated(Struct, frozen=True, kw_only=True):
    """The body, and the tool names that the answer needs to find its way back."""

    body: wire.ChatRequest
    names: ToolNames


def to_chat_request(request: hub.ChatRequest, deployment: Deployment, losses: Losses, *, stream: bool) -> Translated:
    """Return the body; raises `ProviderError` for what cannot be sent, with its JSON path."""
    _refuse(request)
    request = with_tools(request)
    _note_losses(request, losses)
    options = deployment.options
    can_think = thinks(deployment.upstream_model, options)
    names = ToolNames(NAMES, (JSON_TOOL,))
    tools = to_tools(request, names, losses)
    if tools.tools:
        request = _beside_tools(request, names, losses)
    response_format = _response_format(request.response_format)
    conversation = Conversation(names, losses, thinks=can_think, files_as_text=response_format is not None)
    for index, message in enumerate(request.messages):
        conversation.add(message, f"messages[{index}]")
    citation_mode = options.get("citation_mode")
    body = wire.ChatRequest(
        model=deployment.upstream_model,
        messages=conversation.finish(),
        tools=tools.tools,
        strict_tools=tools.strict,
        tool_choice=tools.choice,
        documents=conversation.documents or None,
        citation_options=wire.CitationOptions(mode=citation_mode) if citation_mode else None,
        response_format=response_format,
        safety_mode=options.get("safety_mode"),
        max_tokens=request.max_completion_tokens if request.max_completion_tokens is not None else request.max_tokens,
        stop_sequences=stop_sequences(request, _MOST_STOPS),
        temperature=within(request.temperature, 0.0, 1.0, "temperature", losses),
        seed=_seed(request.seed, losses),
        frequency_penalty=_penalty(request.frequency_penalty, "frequency_penalty", losses),
        presence_penalty=_penalty(request.presence_penalty, "presence_penalty", losses),
        k=within(request.top_k, 0, _MOST_K, "top_k", losses),
        p=within(request.top_p, _LEAST_P, _MOST_P, "top_p", losses),
        logprobs=request.logprobs or None,
        thinking=to_thinking(request, losses, can_think=can_think),
        stream=stream,
    )
    return Translated(body=body, names=names)


def _refuse(request: hub.ChatRequest) -> None:
    refuse_several_answers(request)
    refuse_modalities(request, "audio", "image")


def _note_losses(request: hub.ChatRequest, losses: Losses) -> None:
    drop_given(request, _NO_EQUIVALENT, losses)
    if request.top_logprobs:
        losses.drop("top_logprobs")
    if request.service_tier not in {None, "auto", "default"}:
        losses.drop("service_tier")


def _beside_tools(request: hub.ChatRequest, names: ToolNames, losses: Losses) -> hub.ChatRequest:
    """Return the request without a form of the answer, which Cohere has not beside tools.

    A tool stands for it, or a call is demanded and there is no answer; else it is told in words.
    """
    wanted = request.response_format
    if wanted is None or isinstance(wanted, hub.TextFormat):
        return request
    if names.has_answer_tool or demands_call(request):
        return replace(request, response_format=None)
    if isinstance(wanted, hub.JsonSchemaFormat):
        losses.drop("response_format")
    return told_in_words(request)


def _response_format(wanted: hub.ResponseFormat | None) -> wire.JsonObjectFormat | None:
    match wanted:
        case hub.JsonObjectFormat():
            return wire.JsonObjectFormat()
        case hub.JsonSchemaFormat(json_schema=given):
            return wire.JsonObjectFormat(json_schema=given.schema)
        case hub.TextFormat() | None:
            return None


def _penalty(value: float | None, param: str, losses: Losses) -> float | None:
    """Return the penalty, None for the default of 0: some models refuse both penalties in one request."""
    return within(value, 0.0, 1.0, param, losses) or None


def _seed(seed: int | None, losses: Losses) -> int | None:
    if seed is not None and not 0 <= seed < _UINT64:
        losses.drop("seed")
        return None
    return seed
