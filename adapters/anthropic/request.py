"""A chat request to a Messages request, with what was lost on the way; knows no endpoint and no credential."""

import hashlib
from collections.abc import Mapping
from typing import Final, Literal

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from adapters.answer_tool import JSON_TOOL
from adapters.anthropic import reasoning, structured
from adapters.anthropic.messages import Conversation, lacks_thinking
from adapters.anthropic.models import ModelFacts, facts_of
from adapters.anthropic.names import NAMES, WEB_SEARCH
from adapters.anthropic.schema import Complexity
from adapters.anthropic.tools import to_tool_choice, to_tools, tools_of_history
from adapters.base import Call, Losses
from adapters.counts import note_missing_signature
from adapters.errors import ErrorKind, ProviderError
from adapters.extra_params import forwardable
from adapters.legacy_functions import with_tools
from adapters.parameters import drop_given, refuse_modalities, refuse_several_answers, spoken_stop_sequences, within
from adapters.prompt_cache import with_breakpoints
from adapters.tool_names import ToolNames
from schemas import chat_request as hub
from schemas.anthropic import request as wire

ENCODER: Final = msgspec.json.Encoder()
_FIELDS: Final = msgspec.json.Decoder(dict[str, Raw])
_FILES_BETA: Final = "files-api-2025-04-14"
_NO_EQUIVALENT: Final = (
    "frequency_penalty",
    "presence_penalty",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "metadata",
    "prediction",
    "prompt_cache_key",
    "prompt_cache_retention",
    "seed",
    "store",
    "verbosity",
    "moderation",
    "prompt_cache_options",
)


class Translation(Struct, frozen=True, kw_only=True):
    """A request ready to be sent, and what its answer is read with.

    `extra` are further top-level fields, `betas` the features to name in `anthropic-beta`.
    """

    body: wire.MessagesRequest
    names: ToolNames
    dropped: tuple[str, ...] = ()
    extra: Mapping[str, Raw] = {}
    betas: tuple[str, ...] = ()

    @property
    def may_pause(self) -> bool:
        """Whether the provider runs tools of its own and may hand the turn back half done."""
        return any(isinstance(tool, wire.WebSearchTool) for tool in self.body.tools or ())

    def encode(self) -> bytes:
        """Return the body as JSON."""
        data = ENCODER.encode(self.body)
        return ENCODER.encode({**_FIELDS.decode(data), **self.extra}) if self.extra else data


def to_messages_request(request: hub.ChatRequest, call: Call, *, stream: bool) -> Translation:
    """Return the request in the provider's form; raises `ProviderError` where its meaning would change."""
    losses = Losses(call.deployment.extra_params)
    facts = facts_of(call.deployment)
    _refuse(request)
    request = with_tools(request)
    request = with_breakpoints(request, call.deployment.auto_cache)
    max_tokens = request.max_completion_tokens or request.max_tokens or facts.max_output_tokens
    forms = _Forms(request, facts, losses)
    plan = _thinking(request, facts, max_tokens, forms, losses)
    conversation = _conversation(request, forms.names, plan, losses)
    body = wire.MessagesRequest(
        model=call.deployment.upstream_model,
        max_tokens=max_tokens,
        messages=conversation.finish(),
        system=_system(conversation, forms.format.instruction),
        metadata=_metadata(request),
        output_config=_output_config(plan, forms.format),
        service_tier=_service_tier(request, losses),
        stop_sequences=spoken_stop_sequences(request, losses),
        stream=stream or None,
        thinking=plan.thinking,
        tools=_with_bound(forms.tools, call.deployment.max_queries, losses) or None,
        tool_choice=forms.choice,
    )
    if conversation.tools_called and body.tools is None:
        body = replace(
            body, tools=tools_of_history(list(conversation.tools_called)), tool_choice=wire.ToolChoice(type="none")
        )
    body = _with_sampling(body, request, facts, plan, losses)
    extra = _extra(request, call, losses)
    return Translation(
        body=body,
        names=forms.names,
        dropped=losses.dropped,
        extra=extra,
        betas=(_FILES_BETA,) if _has_files(request) else (),
    )


def _with_bound(
    tools: list[wire.Tool | wire.WebSearchTool], max_queries: int, losses: Losses
) -> list[wire.Tool | wire.WebSearchTool]:
    """Return the tools with the search bounded, or without it where the operator allows none."""
    if not any(isinstance(tool, wire.WebSearchTool) for tool in tools):
        return tools
    if not max_queries:
        losses.drop("web_search_options")
        return [tool for tool in tools if not isinstance(tool, wire.WebSearchTool)]
    return [replace(tool, max_uses=max_queries) if isinstance(tool, wire.WebSearchTool) else tool for tool in tools]


class _Forms:
    """The tools and the form of the answer, which share the choice of tools and the bounds on schemas."""

    def __init__(self, request: hub.ChatRequest, facts: ModelFacts, losses: Losses) -> None:
        complexity = Complexity()
        self.names = ToolNames(NAMES, (JSON_TOOL, WEB_SEARCH))
        tools = to_tools(request, self.names, facts, complexity, losses)
        self.format = structured.to_format(request, facts, complexity)
        self.tools: list[wire.Tool | wire.WebSearchTool]
        self.tools, self.choice = to_tool_choice(request, tools, self.names, facts)
        if self.format.tool is not None:
            self._add_answer_tool(self.format.tool, facts)

    def _add_answer_tool(self, tool: wire.Tool, facts: ModelFacts) -> None:
        """Let the model answer by a call, unless the client demands a call of its own tools."""
        if self.choice is not None and self.choice.type in {"any", "tool"}:
            return
        self.names.has_answer_tool = True
        alone = not self.tools or (self.choice is not None and self.choice.type == "none")
        self.tools = [tool] if alone else [*self.tools, tool]
        if not facts.forced_tools:
            self.choice = wire.ToolChoice(type="auto")
        elif alone:
            self.choice = wire.ToolChoice(type="tool", name=tool.name)
        else:
            parallel = self.choice.disable_parallel_tool_use if self.choice is not None else None
            self.choice = wire.ToolChoice(type="any", disable_parallel_tool_use=parallel)


def _refuse(request: hub.ChatRequest) -> None:
    """Raise for what no answer of this provider can satisfy."""
    refuse_several_answers(request)
    if request.audio is not None:
        raise ProviderError(ErrorKind.UNSUPPORTED_PARAMETER, "This model answers in text only.", param="audio")
    refuse_modalities(request, "audio", "image")


def _thinking(
    request: hub.ChatRequest, facts: ModelFacts, max_tokens: int, forms: _Forms, losses: Losses
) -> reasoning.Plan:
    """Let thinking with a budget give way to a forced tool, and to a tool loop whose thinking the client has lost."""
    plan, source = reasoning.to_plan(request, facts, max_tokens, losses)
    forced = forms.choice is not None and forms.choice.type in {"any", "tool"}
    is_broken = plan.has_budget and lacks_thinking(request.messages)
    if is_broken:
        note_missing_signature("anthropic")
    if is_broken or (plan.has_budget and forced):
        losses.drop(source)
        return reasoning.without(facts)
    return plan


def _conversation(request: hub.ChatRequest, names: ToolNames, plan: reasoning.Plan, losses: Losses) -> Conversation:
    conversation = Conversation(names, losses, keep_thinking=plan.active)
    for index, message in enumerate(request.messages):
        conversation.add(message, f"messages[{index}]")
    return conversation


def _system(conversation: Conversation, instruction: str | None) -> list[wire.TextBlock] | None:
    blocks = conversation.system
    if instruction is not None:
        blocks = [*blocks, wire.TextBlock(text=instruction)]
    return blocks or None


def _metadata(request: hub.ChatRequest) -> wire.Metadata | None:
    user = request.safety_identifier or request.user
    if not user:
        return None
    return wire.Metadata(user_id=hashlib.sha256(user.encode("utf-8", "surrogatepass")).hexdigest())


def _output_config(plan: reasoning.Plan, form: structured.Format) -> wire.OutputConfig | None:
    if plan.effort is None and form.native is None:
        return None
    return wire.OutputConfig(effort=plan.effort, format=form.native)


def _service_tier(request: hub.ChatRequest, losses: Losses) -> Literal["auto", "standard_only"] | None:
    match request.service_tier:
        case None | "auto":
            return None
        case "default":
            return "standard_only"
        case "priority":
            return "auto"
        case _:
            losses.drop("service_tier")
            return None


def _with_sampling(
    body: wire.MessagesRequest, request: hub.ChatRequest, facts: ModelFacts, plan: reasoning.Plan, losses: Losses
) -> wire.MessagesRequest:
    """Set temperature, `top_p` and `top_k` as far as model and thinking allow them; defaults are not worth a report."""
    temperature = within(request.temperature, 0.0, 1.0, "temperature", losses)
    top_p, top_k = request.top_p, request.top_k
    closed = facts.sampling == "none"
    thinking = plan.active
    if temperature is not None and (closed or thinking):
        _drop_unless(temperature == 1, "temperature", losses)
        temperature = None
    if top_p is not None and (
        closed or (thinking and top_p < 0.95) or (facts.sampling == "one_of" and temperature is not None)
    ):
        _drop_unless(top_p == 1, "top_p", losses)
        top_p = None
    if top_k is not None and (closed or thinking):
        losses.drop("top_k")
        top_k = None
    if temperature is None and top_p is None and top_k is None:
        return body
    return replace(body, temperature=temperature, top_p=top_p, top_k=top_k)


def _drop_unless(harmless: bool, param: str, losses: Losses) -> None:  # noqa: FBT001 - reads as a sentence
    if not harmless:
        losses.drop(param)


def _extra(request: hub.ChatRequest, call: Call, losses: Losses) -> dict[str, Raw]:
    drop_given(request, _NO_EQUIVALENT, losses)
    if call.deployment.extra_params == "forward":
        return forwardable(call, losses)
    for name in call.extra_params:
        losses.drop(name)
    return {}


def _has_files(request: hub.ChatRequest) -> bool:
    for message in request.messages:
        content = message.content
        if isinstance(content, list):
            for part in content:
                if isinstance(part, hub.FilePart) and part.file.file_id is not None:
                    return True
    return False
