"""How hard to think, and earlier thinking sent back; knows no endpoint.

Source: https://platform.claude.com/docs/en/build-with-claude/thinking and .../effort, checked 2026-11-24.
Budgets for models without effort levels: 1024, 2048, 4096, 8192, 16384 tokens for low to max.
"""

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from adapters.anthropic.models import ModelFacts
from adapters.base import Losses
from adapters.plain_reasoning import plain_reasoning
from schemas import chat_request as hub
from schemas.anthropic import request as wire
from schemas.anthropic.request import Effort

FORMAT: Final = "anthropic-claude-v1"
MIN_BUDGET: Final = 1024
_LEVELS: Final[tuple[Effort, ...]] = ("low", "medium", "high", "xhigh", "max")
_BUDGETS: Final[dict[Effort, int]] = {"low": 1024, "medium": 2048, "high": 4096, "xhigh": 8192, "max": 16384}
_WITHOUT_THINKING: Final = wire.Thinking(type="disabled")


class Wish(Struct, frozen=True, kw_only=True):
    """What the client asked for. `source` is the field that said it; `on` is None where nothing was said."""

    source: str = "reasoning_effort"
    on: bool | None = None
    effort: Effort | None = None
    budget: int | None = None
    display: str | None = None


class Plan(Struct, frozen=True, kw_only=True):
    """What is sent. `active` says whether the model will think, said or not."""

    thinking: wire.Thinking | None = None
    effort: Effort | None = None
    active: bool = False

    @property
    def has_budget(self) -> bool:
        """Whether thinking is of the older kind, which allows neither forced tools nor sampling parameters."""
        return self.thinking is not None and self.thinking.type == "enabled"


def to_plan(request: hub.ChatRequest, facts: ModelFacts, max_tokens: int, losses: Losses) -> tuple[Plan, str]:
    """Return the plan, and the request's field that it follows."""
    wish = _wish(request)
    if wish.on is None:
        return Plan(active=facts.thinks_by_default), wish.source
    if not wish.on:
        return _off(facts, wish, losses), wish.source
    if facts.thinking == "none":
        losses.drop(wish.source)
        return Plan(), wish.source
    if facts.thinking == "budget":
        return _with_budget(wish, max_tokens, losses), wish.source
    return _adaptive(facts, wish, losses), wish.source


def may_think(request: hub.ChatRequest, facts: ModelFacts) -> bool:
    """Return whether the model may think: by itself, or because one of the three spellings asks for it."""
    if facts.thinking == "none":
        return False
    return facts.thinks_by_default or _wish(request).on is True


def without(facts: ModelFacts) -> Plan:
    """Return the plan that remains when thinking must give way."""
    return Plan(thinking=_WITHOUT_THINKING) if facts.thinks_by_default else Plan()


def to_thinking_blocks(message: hub.AssistantMessage) -> list[wire.ThinkingBlock | wire.RedactedThinkingBlock]:
    """Return the message's earlier thinking in order: only this provider's own, and only what is signed."""
    if message.reasoning_details:
        details = _joined(message.reasoning_details)
        return [block for detail in details if (block := _from_detail(detail)) is not None]
    if message.thinking_blocks:
        return [block for given in message.thinking_blocks if (block := _from_block(given)) is not None]
    anthropic = message.extra_content.anthropic if message.extra_content is not None else None
    if anthropic is not None and anthropic.signature:
        return [wire.ThinkingBlock(thinking=plain_reasoning(message), signature=anthropic.signature)]
    return [
        wire.ThinkingBlock(thinking=thought.text or "", signature=thought.signature)
        for thought in message.tensorzero_extra_content or ()
        if thought.signature and "anthropic" in (thought.provider_type or "")
    ]


def _wish(request: hub.ChatRequest) -> Wish:
    """The explicit spellings win over `reasoning_effort`."""
    if request.thinking is not None:
        return _from_thinking(request.thinking)
    if request.reasoning is not None:
        return _from_reasoning(request.reasoning)
    effort = request.reasoning_effort
    if effort is None:
        return Wish()
    return Wish(on=effort != "none", effort=_to_level(effort))


def _from_thinking(thinking: hub.ThinkingOptions) -> Wish:
    return Wish(
        source="thinking",
        on=thinking.type != "disabled",
        budget=thinking.budget_tokens if thinking.type == "enabled" else None,
        display=thinking.display,
    )


def _from_reasoning(reasoning: hub.ReasoningOptions) -> Wish:
    asked = reasoning.effort is not None or reasoning.max_tokens is not None or reasoning.enabled
    off = reasoning.enabled is False or reasoning.effort == "none"
    return Wish(
        source="reasoning",
        on=False if off else True if asked else None,
        effort=_to_level(reasoning.effort),
        budget=reasoning.max_tokens,
        display="omitted" if reasoning.exclude else None,
    )


def _to_level(effort: hub.ReasoningEffort | None) -> Effort | None:
    """Return the provider's level; None for none, and for nothing said."""
    match effort:
        case None | "none":
            return None
        case "minimal":
            return "low"
        case _:
            return effort


def _off(facts: ModelFacts, wish: Wish, losses: Losses) -> Plan:
    if facts.thinking == "none":
        return Plan()
    if facts.off == "low_effort":
        losses.drop(wish.source)  # these models always think
        return Plan(effort="low", active=True)
    return Plan(thinking=wire.Thinking(type=facts.off))


def _with_budget(wish: Wish, max_tokens: int, losses: Losses) -> Plan:
    if max_tokens <= MIN_BUDGET:
        losses.drop(wish.source)
        return Plan()
    wanted = wish.budget if wish.budget is not None else _BUDGETS[wish.effort or "medium"]
    budget = min(max(wanted, MIN_BUDGET), max_tokens - 1)
    if budget != wanted and wish.budget is not None:
        losses.drop(wish.source)
    thinking = wire.Thinking(type="enabled", budget_tokens=budget, display=wish.display)
    return Plan(thinking=thinking, active=True)


def _adaptive(facts: ModelFacts, wish: Wish, losses: Losses) -> Plan:
    effort: Effort | None = wish.effort
    if effort is None and wish.budget is not None:
        losses.drop(wish.source)  # a budget becomes a level
        effort = _level_of(wish.budget)
    if effort is not None and effort not in facts.efforts:
        losses.drop(wish.source)
        below = _LEVELS[: _LEVELS.index(effort)]
        effort = next((level for level in reversed(below) if level in facts.efforts), None)
    thinking = wire.Thinking(type="adaptive", display=wish.display or "summarized")
    return Plan(thinking=thinking, effort=effort, active=True)


def _level_of(budget: int) -> Effort:
    """Return the lowest level whose own budget covers this one."""
    for level in _LEVELS:
        if budget <= _BUDGETS[level]:
            return level
    return "max"


def _joined(details: list[hub.ReasoningDetail]) -> list[hub.ReasoningDetail]:
    """Put the pieces of a stream together that a client has only collected."""
    joined: list[hub.ReasoningDetail] = []
    for detail in details:
        last = joined[-1] if joined else None
        if (
            last is None
            or last.type != "reasoning.text"
            or last.signature
            or (detail.type, detail.index) != (last.type, last.index)
        ):
            joined.append(detail)
            continue
        text = (last.text or "") + (detail.text or "")
        joined[-1] = replace(last, text=text, signature=detail.signature)
    return joined


def _from_detail(detail: hub.ReasoningDetail) -> wire.ThinkingBlock | wire.RedactedThinkingBlock | None:
    if detail.format != FORMAT:
        return None
    if detail.type == "reasoning.encrypted":
        return wire.RedactedThinkingBlock(data=detail.data) if detail.data else None
    if not detail.signature:
        return None
    return wire.ThinkingBlock(thinking=detail.text or "", signature=detail.signature)


def _from_block(block: hub.ThinkingBlock) -> wire.ThinkingBlock | wire.RedactedThinkingBlock | None:
    if block.type == "redacted_thinking":
        return wire.RedactedThinkingBlock(data=block.data) if block.data else None
    if block.type != "thinking" or not block.signature:
        return None
    return wire.ThinkingBlock(thinking=block.thinking or "", signature=block.signature)
