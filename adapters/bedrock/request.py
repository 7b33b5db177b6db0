"""A chat request to a Converse request, with what was lost on the way; knows no endpoint and no credential.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html, checked 2026-11-24.
"""

import re
from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Raw, Struct

from adapters.anthropic import reasoning
from adapters.anthropic.messages import lacks_thinking
from adapters.base import Call, Losses
from adapters.bedrock.forms import Forms
from adapters.bedrock.messages import Conversation
from adapters.bedrock.models import Traits, traits_of
from adapters.counts import note_missing_signature
from adapters.errors import ErrorKind, ProviderError
from adapters.extra_params import forwardable
from adapters.legacy_functions import with_tools
from adapters.parameters import drop_given, refuse_modalities, refuse_several_answers, spoken_stop_sequences, within
from adapters.prompt_cache import with_breakpoints
from adapters.tool_names import ToolNames
from schemas import chat_request as hub
from schemas.bedrock import request as wire

ENCODER: Final = msgspec.json.Encoder()
_FIELDS: Final = msgspec.json.Decoder(dict[str, Raw])
_ADDITIONAL: Final = "additionalModelRequestFields"
_OWN_FIELDS: Final = frozenset(
    {"outputConfig", "performanceConfig", "promptVariables", "requestMetadata", "serviceTier"}
)
_OPERATORS: Final = frozenset({"guardrailConfig", "modelId"})
_METADATA: Final = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,.\-]{0,256}")
_MAX_METADATA: Final = 16
_NO_EQUIVALENT: Final = (
    "frequency_penalty",
    "presence_penalty",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "prediction",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "seed",
    "store",
    "user",
    "verbosity",
    "moderation",
    "prompt_cache_options",
)


class Translation(Struct, frozen=True, kw_only=True):
    """A request ready to be sent, and what its answer is read with.

    `extra` are further top-level fields, `additional` further ones for the model; neither replaces what `body` says.
    """

    body: wire.ConverseRequest
    names: ToolNames
    reasoning_format: str
    dropped: tuple[str, ...] = ()
    extra: Mapping[str, Raw] = {}
    additional: Mapping[str, Raw] = {}

    def encode(self) -> bytes:
        """Return the body as JSON."""
        data = ENCODER.encode(self.body)
        if not self.extra and not self.additional:
            return data
        fields = {**self.extra, **_FIELDS.decode(data)}
        if self.additional:
            own = _FIELDS.decode(fields[_ADDITIONAL]) if _ADDITIONAL in fields else {}
            fields[_ADDITIONAL] = Raw(ENCODER.encode({**self.additional, **own}))
        return ENCODER.encode(fields)


def to_converse(request: hub.ChatRequest, call: Call) -> Translation:
    """Return the request in the provider's form; raises `ProviderError` where its meaning would change."""
    losses = Losses(call.deployment.extra_params)
    traits = traits_of(call.deployment)
    _refuse(request)
    request = with_tools(request)
    if traits.caches != "none":
        request = with_breakpoints(request, call.deployment.auto_cache, tools=traits.caches == "all")
    forms = Forms(request, traits, losses)
    asked = request.max_completion_tokens or request.max_tokens or call.deployment.max_output_tokens
    plan = _plan(request, traits, asked or traits.facts.max_output_tokens, forms, losses)
    keep = plan.active or traits.family != "claude"
    conversation = Conversation(forms.names, traits, losses, keep_reasoning=keep)
    for index, message in enumerate(request.messages):
        conversation.add(message, f"messages[{index}]")
    messages = conversation.finish()
    tool_config = forms.to_tool_config(list(conversation.tools_called))
    system = [*conversation.system, *(wire.Block(text=text) for text in forms.instructions)]
    if asked is None and plan.has_budget:
        asked = traits.facts.max_output_tokens  # the budget is a part of it
    text_format = forms.to_text_format(request)
    inference = _inference(request, traits, plan, asked, losses)
    stops = inference is not None and inference.stop_sequences is not None
    stop_paths = ["/stop_sequence"] if stops and traits.family == "claude" else None
    claude_effort = plan.effort if traits.family == "claude" else None
    has_output = text_format is not None or claude_effort is not None
    body = wire.ConverseRequest(
        messages=messages,
        system=system or None,
        inference_config=inference,
        tool_config=tool_config,
        guardrail_config=_guardrail(call),
        additional_model_request_fields=_additional(request, traits, plan, forms, losses),
        additional_model_response_field_paths=stop_paths,
        request_metadata=_metadata(request, losses),
        service_tier=_service_tier(request, losses),
        output_config=wire.OutputConfig(text_format=text_format, effort=claude_effort) if has_output else None,
    )
    _drop_unknown_to_provider(request, losses)
    extra, additional = _extra(body, call, losses)
    return Translation(
        body=body,
        names=forms.names,
        reasoning_format=traits.reasoning_format,
        dropped=losses.dropped,
        extra=extra,
        additional=additional,
    )


def _refuse(request: hub.ChatRequest) -> None:
    """Raise for what no answer of this provider can satisfy."""
    refuse_several_answers(request)
    if request.audio is not None:
        raise ProviderError(ErrorKind.UNSUPPORTED_PARAMETER, "This model answers in text only.", param="audio")
    refuse_modalities(request, "audio", "image")


def _plan(request: hub.ChatRequest, traits: Traits, max_tokens: int, forms: Forms, losses: Losses) -> reasoning.Plan:
    """Let thinking with a budget give way to a forced tool, and to a tool loop whose thinking the client has lost."""
    plan, source = reasoning.to_plan(request, traits.facts, max_tokens, losses)
    is_broken = plan.has_budget and lacks_thinking(request.messages)
    if is_broken:
        note_missing_signature("bedrock")
    if is_broken or (plan.has_budget and forms.demands_call):
        losses.drop(source)
        return reasoning.without(traits.facts)
    return plan


def _inference(
    request: hub.ChatRequest, traits: Traits, plan: reasoning.Plan, max_tokens: int | None, losses: Losses
) -> wire.InferenceConfig | None:
    temperature, top_p = _sampling(request, traits, plan, losses)
    if traits.family == "nova2" and plan.effort == "high":  # this level takes no parameter at all
        for name, value in (("temperature", temperature), ("top_p", top_p), ("max_tokens", max_tokens)):
            if value is not None:
                losses.drop(name)
        temperature = top_p = max_tokens = None
    made = wire.InferenceConfig(
        max_tokens=max_tokens,
        temperature=temperature,
        top_p=top_p,
        stop_sequences=spoken_stop_sequences(request, losses),
    )
    return made if made != wire.InferenceConfig() else None


def _sampling(
    request: hub.ChatRequest, traits: Traits, plan: reasoning.Plan, losses: Losses
) -> tuple[float | None, float | None]:
    """Return temperature and `top_p` as far as model and thinking allow them; defaults are not worth a report."""
    temperature = within(request.temperature, 0.0, 1.0, "temperature", losses)
    top_p = request.top_p
    if traits.family != "claude":
        return temperature, top_p
    closed = traits.facts.sampling == "none"
    if temperature is not None and (closed or plan.active):
        if temperature != 1:
            losses.drop("temperature")
        temperature = None
    alone = traits.facts.sampling == "one_of" and temperature is not None
    if top_p is not None and (closed or (plan.active and top_p < 0.95) or alone):
        if top_p != 1:
            losses.drop("top_p")
        top_p = None
    return temperature, top_p


def _additional(
    request: hub.ChatRequest, traits: Traits, plan: reasoning.Plan, forms: Forms, losses: Losses
) -> wire.AdditionalFields | None:
    """Return what the model's family takes beyond the shared parameters."""
    top_k = request.top_k
    closed = traits.family == "claude" and (plan.active or traits.facts.sampling == "none")
    if top_k is not None and (closed or traits.family in {"gpt_oss", "other"}):
        losses.drop("top_k")
        top_k = None
    made = wire.AdditionalFields(top_k=top_k)
    match traits.family:
        case "claude":
            config, budget = _thinking(plan), plan.has_budget
            made = wire.AdditionalFields(
                reasoning_config=config if budget else None,
                thinking=None if budget else config,
                tool_choice=wire.OneCall(type="auto", disable_parallel_tool_use=True) if forms.one_call else None,
                top_k=top_k,
            )
        case "nova" | "nova2":
            made = wire.AdditionalFields(
                nova_reasoning=_nova_reasoning(plan),
                nova_inference=wire.NovaInference(top_k=top_k) if top_k is not None else None,
            )
        case "gpt_oss" if plan.active:
            made = wire.AdditionalFields(reasoning_effort=plan.effort or "medium")
        case _:
            pass
    return made if made != wire.AdditionalFields() else None


def _thinking(plan: reasoning.Plan) -> wire.ThinkingConfig | None:
    asked = plan.thinking
    if asked is None:
        return None
    display = None if plan.has_budget else asked.display
    return wire.ThinkingConfig(type=asked.type, budget_tokens=asked.budget_tokens, display=display)


def _nova_reasoning(plan: reasoning.Plan) -> wire.NovaReasoning | None:
    if plan.thinking is None:
        return None
    if not plan.active:
        return wire.NovaReasoning(type="disabled")
    return wire.NovaReasoning(type="enabled", max_reasoning_effort=plan.effort or "medium")


def _guardrail(call: Call) -> wire.GuardrailConfig | None:
    options = call.deployment.options
    identifier = options.get("guardrail_identifier")
    if not identifier:
        return None
    return wire.GuardrailConfig(
        guardrail_identifier=identifier,
        guardrail_version=options.get("guardrail_version", "DRAFT"),
        trace=options.get("guardrail_trace"),
    )


def _metadata(request: hub.ChatRequest, losses: Losses) -> dict[str, str] | None:
    metadata = request.metadata
    if not metadata:
        return None
    fits = len(metadata) <= _MAX_METADATA and all(
        name and _METADATA.fullmatch(name) and _METADATA.fullmatch(value) for name, value in metadata.items()
    )
    if not fits:
        losses.drop("metadata")
        return None
    return metadata


def _service_tier(request: hub.ChatRequest, losses: Losses) -> wire.ServiceTier | None:
    match request.service_tier:
        case None | "auto":
            return None
        case "default" | "flex" | "priority":
            return wire.ServiceTier(type=request.service_tier)
        case _:
            losses.drop("service_tier")
            return None


def _drop_unknown_to_provider(request: hub.ChatRequest, losses: Losses) -> None:
    drop_given(request, _NO_EQUIVALENT, losses)


def _extra(body: wire.ConverseRequest, call: Call, losses: Losses) -> tuple[dict[str, Raw], dict[str, Raw]]:
    """Return the client's unknown fields where the operator forwards them: Converse's own, and the model's."""
    extra: dict[str, Raw] = {}
    additional: dict[str, Raw] = {}
    if call.deployment.extra_params != "forward":
        for name in call.extra_params:
            losses.drop(name)
        return extra, additional
    for name, value in forwardable(call, losses).items():
        if name in _OPERATORS:
            losses.drop(name)
        elif name in _OWN_FIELDS:
            extra[name] = value
        elif name == _ADDITIONAL:
            additional |= _object(value)
        else:
            additional[name] = value
    if extra or additional:
        _drop_written(extra, body, losses)
        _drop_written(additional, body.additional_model_request_fields, losses)
    return extra, additional


def _drop_written(fields: dict[str, Raw], written: msgspec.Struct | None, losses: Losses) -> None:
    """Leave out what the translation writes itself."""
    if written is None:
        return
    for name in _FIELDS.decode(ENCODER.encode(written)):
        if fields.pop(name, None) is not None:
            losses.drop(name)


def _object(value: Raw) -> dict[str, Raw]:
    try:
        return _FIELDS.decode(value)
    except (msgspec.DecodeError, RecursionError):
        message = f"'{_ADDITIONAL}' must be an object."
        raise ProviderError(ErrorKind.INVALID_REQUEST, message, param=_ADDITIONAL) from None
