"""How much a model shall think, from the hub's three spellings to the server's; knows no message.

`reasoning` (OpenRouter's object) wins over `thinking` (Anthropic's), which wins over `reasoning_effort`.
"""

from typing import Final

import msgspec
from msgspec import Raw

from adapters.base import Losses
from adapters.openai.quirks import Quirks
from schemas.chat_request import ChatRequest, ReasoningEffort, ReasoningOptions, ThinkingOptions

# A budget in tokens to the effort that usually spends it; beyond the last one: high.
_BUDGETS: Final[tuple[tuple[int, ReasoningEffort], ...]] = ((0, "none"), (1024, "low"), (2048, "medium"))
_CHANGES = dict[str, object]


def to_reasoning(
    request: ChatRequest, quirks: Quirks, changes: _CHANGES, extra: dict[str, Raw], losses: Losses
) -> None:
    """Put the server's own fields for reasoning into `changes` and `extra`."""
    options, thinking = request.reasoning, request.thinking
    if options is None and thinking is None and request.reasoning_effort is None:
        return
    if quirks.reasoning_object:
        _as_object(options, thinking, changes)
        return
    switch = _switch(options, thinking)
    effort = _effort(options, thinking, losses) or request.reasoning_effort
    changes["reasoning"] = changes["thinking"] = changes["reasoning_effort"] = None
    if switch is False or effort == "none":
        switch, effort = False, "none"
    if quirks.reasoning_switch == "effort":
        effort = effort or ("medium" if switch else None)
    elif switch is not None:
        _turn(switch, quirks, changes, extra)
        effort = None if switch is False else effort
    if effort is not None:
        nearest = quirks.efforts.get(effort, effort)
        if nearest != effort:
            losses.drop("reasoning_effort")
        changes["reasoning_effort"] = nearest or None


def _as_object(options: ReasoningOptions | None, thinking: ThinkingOptions | None, changes: _CHANGES) -> None:
    if options is None and thinking is not None:
        options = (
            ReasoningOptions(max_tokens=thinking.budget_tokens)
            if thinking.budget_tokens is not None and thinking.type == "enabled"
            else ReasoningOptions(enabled=thinking.type != "disabled")
        )
    changes["thinking"] = None
    if options is not None:
        changes["reasoning"], changes["reasoning_effort"] = options, None


def _switch(options: ReasoningOptions | None, thinking: ThinkingOptions | None) -> bool | None:
    """Return whether reasoning was explicitly turned on or off."""
    if options is not None:
        return False if options.effort == "none" else options.enabled
    return None if thinking is None else thinking.type != "disabled"


def _effort(
    options: ReasoningOptions | None, thinking: ThinkingOptions | None, losses: Losses
) -> ReasoningEffort | None:
    if options is not None:
        for name in ("exclude", "summary"):
            if getattr(options, name) is not None:
                losses.drop(f"reasoning.{name}")
        if options.effort is not None:
            return options.effort
        return _of_budget(options.max_tokens, "reasoning.max_tokens", losses)
    if thinking is not None and thinking.type == "enabled":
        return _of_budget(thinking.budget_tokens, "thinking.budget_tokens", losses)
    return None


def _of_budget(budget: int | None, param: str, losses: Losses) -> ReasoningEffort | None:
    if budget is None:
        return None
    losses.drop(param)
    for bound, effort in _BUDGETS:
        if budget <= bound:
            return effort
    return "high"


def _turn(on: bool, quirks: Quirks, changes: _CHANGES, extra: dict[str, Raw]) -> None:  # noqa: FBT001 - private
    if quirks.reasoning_switch == "thinking":
        changes["thinking"] = ThinkingOptions(type="enabled" if on else "disabled")
    elif quirks.reasoning_switch == "reasoning":
        changes["reasoning"] = ReasoningOptions(enabled=on)
    else:
        # Chat templates name the switch either way and ignore the other; the client's own arguments win.
        switches = {"enable_thinking": on, "thinking": on}
        extra.setdefault("chat_template_kwargs", Raw(msgspec.json.encode(switches)))
