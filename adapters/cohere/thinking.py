"""`reasoning`, `thinking` and `reasoning_effort` to Cohere's thinking; knows no message.

`reasoning` wins over `thinking`, both over `reasoning_effort`. Cohere knows off, on, and on with a budget of tokens:
https://docs.cohere.com/v2/docs/reasoning. Efforts become the budgets that the gateway uses for other such models.
"""

import re
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from adapters.base import Losses
from adapters.errors import ErrorKind, ProviderError
from schemas.chat_request import ChatRequest, ReasoningEffort
from schemas.cohere import Thinking

EFFORT_BUDGETS: Final[Mapping[ReasoningEffort, int]] = {
    "minimal": 1024,
    "low": 1024,
    "medium": 2048,
    "high": 4096,
    "xhigh": 8192,
    "max": 16_384,
}
# Models before and beside Command A Reasoning; what the name says nothing about counts as the newest and thinks.
_NEVER_THINKS: Final = re.compile(
    r"command(?:-light)?(?:-nightly)?|command-r.*|command-a-\d\d-\d{4}|command-a-(?:vision|translate).*|.*aya.*|c4ai-.*"
)


class _Wish(Struct, frozen=True):
    """What the client wants, and the field that says so. Neither off nor budget: thinking as the model likes."""

    param: str
    budget: int | None = None
    is_off: bool = False
    hidden: str | None = None


def thinks(upstream_model: str, options: Mapping[str, str]) -> bool:
    """Return whether a model thinks; the deployment's option `thinking` (`true`, `false`) overrules its name."""
    match options.get("thinking"):
        case None:
            return not _NEVER_THINKS.fullmatch(upstream_model)
        case "true":
            return True
        case "false":
            return False
        case _:
            message = "The deployment's option 'thinking' has no valid value."
            raise ProviderError(ErrorKind.MODEL_NOT_FOUND, message)


def to_thinking(request: ChatRequest, losses: Losses, *, can_think: bool) -> Thinking | None:
    """Return the configuration, None where the model's default stands."""
    wish = _wish(request)
    if wish is None:
        return None
    if not can_think:
        if not wish.is_off:
            losses.drop(wish.param)
        return None
    if wish.hidden is not None:
        losses.drop(wish.hidden)
    if wish.is_off or wish.budget == 0:
        return Thinking(type="disabled")
    return Thinking(type="enabled", token_budget=wish.budget)


def _wish(request: ChatRequest) -> _Wish | None:
    if (reasoning := request.reasoning) is not None:
        is_off = reasoning.enabled is False or reasoning.effort == "none"
        hidden = "reasoning.exclude" if reasoning.exclude else None
        budget = reasoning.max_tokens
        if budget is None and reasoning.effort is not None:
            budget = EFFORT_BUDGETS.get(reasoning.effort)
        return _Wish("reasoning", budget=_positive(budget, "reasoning.max_tokens"), is_off=is_off, hidden=hidden)
    if (thinking := request.thinking) is not None:
        hidden = "thinking.display" if thinking.display == "omitted" else None
        budget = _positive(thinking.budget_tokens, "thinking.budget_tokens")
        return _Wish("thinking", budget=budget, is_off=thinking.type == "disabled", hidden=hidden)
    if (effort := request.reasoning_effort) is not None:
        return _Wish("reasoning_effort", budget=EFFORT_BUDGETS.get(effort), is_off=effort == "none")
    return None


def _positive(budget: int | None, param: str) -> int | None:
    if budget is not None and budget < 0:
        raise ProviderError(ErrorKind.INVALID_REQUEST, f"'{param}' must not be negative.", param=param)
    return budget
