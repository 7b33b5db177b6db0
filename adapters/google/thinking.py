"""`reasoning`, `thinking` and `reasoning_effort` to a thinking configuration; knows no message.

`reasoning` wins over `thinking`, both over `reasoning_effort`. Efforts become levels from Gemini 3 on and budgets
before it: Google's own table for OpenAI clients (https://ai.google.dev/gemini-api/docs/openai#thinking).
"""

from typing import Final

from msgspec import Struct

from adapters.base import Losses
from adapters.google.models import Level, ModelFacts
from schemas.chat_request import ChatRequest, ReasoningEffort
from schemas.google.request import ThinkingConfig

DYNAMIC: Final = -1
_EFFORT_BUDGETS: Final[dict[ReasoningEffort, int]] = {"minimal": 1024, "low": 1024, "medium": 8192, "high": 24_576}
_EFFORT_LEVELS: Final[dict[ReasoningEffort, Level]] = {
    "none": "minimal",
    "minimal": "minimal",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "high",
    "max": "high",
}
_BUDGET_EFFORTS: Final[tuple[tuple[int, ReasoningEffort], ...]] = ((0, "none"), (2048, "low"), (12_288, "medium"))


class _Wish(Struct, frozen=True):
    """What the client wants, and the field that says so. Neither effort nor budget: thinking as the model likes."""

    param: str
    effort: ReasoningEffort | None = None
    budget: int | None = None
    shown: bool = True


def to_thinking_config(request: ChatRequest, facts: ModelFacts, losses: Losses) -> ThinkingConfig | None:
    """Return the configuration, None where the model's default stands."""
    wish = _wish(request)
    if wish is None:
        return None
    if facts.thinking == "none":
        if wish.effort != "none":
            losses.drop(wish.param)
        return None
    return _levelled(wish, facts, losses) if facts.thinking == "level" else _budgeted(wish, facts, losses)


def _wish(request: ChatRequest) -> _Wish | None:
    if (reasoning := request.reasoning) is not None:
        shown = not reasoning.exclude
        if reasoning.enabled is False or reasoning.effort == "none":
            return _Wish("reasoning", effort="none")
        return _Wish("reasoning", effort=reasoning.effort, budget=reasoning.max_tokens, shown=shown)
    if (thinking := request.thinking) is not None:
        if thinking.type == "disabled":
            return _Wish("thinking", effort="none")
        return _Wish("thinking", budget=thinking.budget_tokens, shown=thinking.display != "omitted")
    if request.reasoning_effort is not None:
        return _Wish("reasoning_effort", effort=request.reasoning_effort)
    return None


def _levelled(wish: _Wish, facts: ModelFacts, losses: Losses) -> ThinkingConfig:
    effort: ReasoningEffort | None = wish.effort
    if wish.budget is not None:
        effort = _effort_of(wish.budget)
        losses.drop(f"{wish.param}.{'max_tokens' if wish.param == 'reasoning' else 'budget_tokens'}")
    if effort is None:
        return ThinkingConfig(include_thoughts=wish.shown)
    level = _EFFORT_LEVELS[effort]
    if level not in facts.levels:
        level = facts.levels[0] if level == "minimal" else facts.levels[-1]
    if level != effort and wish.budget is None:
        losses.drop(wish.param)
    return ThinkingConfig(include_thoughts=wish.shown and effort != "none", thinking_level=level)


def _effort_of(budget: int) -> ReasoningEffort:
    for most, effort in _BUDGET_EFFORTS:
        if budget <= most:
            return effort
    return "high"


def _budgeted(wish: _Wish, facts: ModelFacts, losses: Losses) -> ThinkingConfig:
    if wish.effort == "none" and wish.budget is None:
        if facts.least_budget:
            losses.drop(wish.param)
        return ThinkingConfig(include_thoughts=False, thinking_budget=facts.least_budget)
    budget = wish.budget
    if budget is None:
        budget = DYNAMIC if wish.effort is None else _EFFORT_BUDGETS.get(wish.effort, facts.most_budget)
    elif budget > 0 and not facts.lowest_budget <= budget <= facts.most_budget:
        losses.drop(wish.param)
    if budget > 0:
        budget = min(max(budget, facts.lowest_budget), facts.most_budget)
    elif budget == 0:
        budget = facts.least_budget
    return ThinkingConfig(include_thoughts=wish.shown and budget != 0, thinking_budget=max(budget, DYNAMIC))
