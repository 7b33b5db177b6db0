"""A chat request to `generateContent`'s body; knows no transport.

Source: https://ai.google.dev/api/generate-content. What Gemini has no equivalent for is dropped and named; what would
change the meaning of the answer is refused.
"""

from typing import Final, Literal

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from adapters.answer_tool import JSON_TOOL
from adapters.base import Deployment, Losses
from adapters.errors import ErrorKind, ProviderError
from adapters.google.contents import ContentsWriter
from adapters.google.form import beside_tools, with_answer_tool
from adapters.google.json_schema import decode_schema, to_openapi
from adapters.google.models import ModelFacts, facts_of
from adapters.google.thinking import to_thinking_config
from adapters.google.tools import NAMES, to_tool_config, to_tools
from adapters.json_values import Json
from adapters.legacy_functions import with_tools
from adapters.parameters import drop_given, refuse_modalities, stop_sequences, within
from adapters.tool_names import ToolNames
from schemas.chat_request import ChatRequest, JsonObjectFormat, JsonSchemaFormat, ServiceTier
from schemas.google.request import (
    GenerateContentRequest,
    GenerationConfig,
    PrebuiltVoiceConfig,
    SpeechConfig,
    VoiceConfig,
)

Tier = Literal["standard", "flex", "priority"]
_JSON: Final = "application/json"
_INT32: Final = 2**31
_MOST_PENALTY: Final = 1.99  # it must be below 2
_MOST_STOPS: Final = 5  # of the Gemini API and of Vertex AI
_NO_EQUIVALENT: Final = (
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
    "store",
)


class Translated(Struct, frozen=True, kw_only=True):
    """The body, and the tool names that the answer needs to find its way back."""

    body: GenerateContentRequest
    names: ToolNames


def to_generate_content(
    request: ChatRequest, deployment: Deployment, losses: Losses, facts: ModelFacts | None = None
) -> Translated:
    """Return the body; raises `ProviderError` for what cannot be sent, with its JSON path.

    `facts` are those of the Gemini API where none are given.
    """
    facts = facts or facts_of(deployment.upstream_model, deployment.options)
    names = ToolNames(NAMES, (JSON_TOOL,))
    request = with_tools(request)
    _note_losses(request, losses)
    form = None
    if not facts.json_beside_tools:
        request, form = beside_tools(request, losses)
    tools = to_tools(request, names, losses)
    writer = ContentsWriter(facts, names, losses)
    writer.write(request.messages)
    contents, system = writer.result()
    config = _generation_config(request, facts, losses)
    body = GenerateContentRequest(
        contents=contents,
        system_instruction=system,
        tools=tools,
        tool_config=to_tool_config(request, tools, names, facts),
        generation_config=None if config == GenerationConfig() else config,
        service_tier=_service_tier(request.service_tier, facts, losses),
    )
    if form is not None:
        body = with_answer_tool(body, form)
        names.has_answer_tool = True
    return Translated(body=body, names=names)


def _note_losses(request: ChatRequest, losses: Losses) -> None:
    drop_given(request, _NO_EQUIVALENT, losses)
    if request.audio is not None and "audio" not in (request.modalities or ()):
        losses.drop("audio")


def _service_tier(tier: ServiceTier | None, facts: ModelFacts, losses: Losses) -> Tier | None:
    match tier:
        case None | "auto":
            return None
        case "default":
            return "standard" if facts.service_tiers else None
        case "flex" | "priority" if facts.service_tiers:
            return tier
        case _:
            losses.drop("service_tier")
            return None


def _generation_config(request: ChatRequest, facts: ModelFacts, losses: Losses) -> GenerationConfig:
    mime_type, openapi, json_schema = _response_form(request, facts)
    if not facts.penalties:
        drop_given(request, ("frequency_penalty", "presence_penalty"), losses)
    modalities, speech = _modalities(request)
    wants_logprobs = request.logprobs or None
    return GenerationConfig(
        candidate_count=request.n if request.n != 1 else None,
        stop_sequences=stop_sequences(request, _MOST_STOPS),
        max_output_tokens=_max_tokens(request),
        temperature=request.temperature,
        top_p=request.top_p,
        top_k=request.top_k,
        seed=_seed(request.seed, losses),
        presence_penalty=_penalty(request.presence_penalty, "presence_penalty", facts, losses),
        frequency_penalty=_penalty(request.frequency_penalty, "frequency_penalty", facts, losses),
        response_logprobs=wants_logprobs,
        logprobs=request.top_logprobs if wants_logprobs else None,
        response_mime_type=mime_type,
        response_schema=openapi,
        response_json_schema=json_schema,
        response_modalities=modalities,
        speech_config=speech,
        thinking_config=to_thinking_config(request, facts, losses),
    )


def _penalty(value: float | None, param: str, facts: ModelFacts, losses: Losses) -> float | None:
    return within(value, -2.0, _MOST_PENALTY, param, losses) if facts.penalties else None


def _max_tokens(request: ChatRequest) -> int | None:
    limit = request.max_completion_tokens
    return limit if limit is not None else request.max_tokens


def _seed(seed: int | None, losses: Losses) -> int | None:
    """Return the seed where it has 32 bits, as Gemini's have."""
    if seed is not None and not -_INT32 <= seed < _INT32:
        losses.drop("seed")
        return None
    return seed


def _response_form(request: ChatRequest, facts: ModelFacts) -> tuple[str | None, Raw | UnsetType, Raw | UnsetType]:
    """Return the media type and the schema, as OpenAPI's or as JSON schema."""
    match request.response_format:
        case JsonObjectFormat():
            return _JSON, UNSET, UNSET
        case JsonSchemaFormat(json_schema=wanted):
            if not wanted.schema:
                return _JSON, UNSET, UNSET
            schema = decode_schema(wanted.schema, "response_format.json_schema.schema")
            if facts.json_schema:
                return _JSON, UNSET, wanted.schema
            return _JSON, Raw(msgspec.json.encode(to_openapi(schema))), UNSET
        case _:
            return None, UNSET, UNSET


def _modalities(request: ChatRequest) -> tuple[list[str] | None, SpeechConfig | None]:
    """Return the forms of the answer, and the voice of a spoken one.

    Gemini speaks 24 kHz PCM and neither writes nor draws beside it.
    """
    wanted = request.modalities or ()
    if "audio" not in wanted:
        return [name.upper() for name in wanted] if "image" in wanted else None, None
    refuse_modalities(request, "image")
    audio = request.audio
    if audio is None:
        return ["AUDIO"], None
    if audio.format != "pcm16":
        message = "This model speaks 'pcm16' only."
        raise ProviderError(ErrorKind.UNSUPPORTED_PARAMETER, message, param="audio.format")
    voice: Json = msgspec.json.decode(audio.voice)
    if isinstance(voice, dict):
        voice = voice.get("id")
    if not isinstance(voice, str):
        raise ProviderError(ErrorKind.INVALID_REQUEST, "A voice needs a name.", param="audio.voice")
    config = VoiceConfig(prebuilt_voice_config=PrebuiltVoiceConfig(voice_name=voice))
    return ["AUDIO"], SpeechConfig(voice_config=config)
