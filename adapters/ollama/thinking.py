"""`reasoning`, `thinking` and `reasoning_effort` to Ollama's `think`; knows no message.

`reasoning` wins over `thinking`, both over `reasoning_effort`. Ollama knows off, on, and three levels, which models
without levels take as on: https://docs.ollama.com/capabilities/thinking, checked 2026-11-26.
"""

from collections.abc import Mapping
from typing import Final, Literal

from adapters.base import Losses
from adapters.errors import ErrorKind, ProviderError
from schemas.chat_request import ChatRequest, ReasoningEffort

Think = bool | Literal["low", "medium", "high"]
_LEVELS: Final[Mapping[ReasoningEffort, Think]] = {
    "none": False,
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "high",
    "max": "high",
}
_EXACT: Final = frozenset({"none", "low", "medium", "high"})


def to_think(request: ChatRequest, options: Mapping[str, str], losses: Losses) -> Think | None:
    """Return the switch, None where the model's default stands.

    The deployment's option `thinking` = `false` says that the model cannot think: Ollama refuses the switch then.
    """
    can_think = options.get("thinking", "true")
    if can_think not in {"true", "false"}:
        raise ProviderError(ErrorKind.MODEL_NOT_FOUND, "The deployment's option 'thinking' has no valid value.")
    param, think = _wish(request, losses)
    if think is None or can_think == "true":
        return think
    if think is not False:
        losses.drop(param)
    return None


def _wish(request: ChatRequest, losses: Losses) -> tuple[str, Think | None]:
    """Return the field that says what the client wants, and what that is."""
    if (reasoning := request.reasoning) is not None:
        for name in ("exclude", "summary", "max_tokens"):
            if getattr(reasoning, name) is not None:
                losses.drop(f"reasoning.{name}")
        if reasoning.enabled is False:
            return "reasoning", False
        if reasoning.effort is not None:
            return "reasoning", _level(reasoning.effort, "reasoning.effort", losses)
        return "reasoning", True if reasoning.enabled or reasoning.max_tokens else None
    if (thinking := request.thinking) is not None:
        if thinking.budget_tokens is not None:
            losses.drop("thinking.budget_tokens")
        return "thinking", thinking.type != "disabled"
    if (effort := request.reasoning_effort) is not None:
        return "reasoning_effort", _level(effort, "reasoning_effort", losses)
    return "", None


def _level(effort: ReasoningEffort, param: str, losses: Losses) -> Think:
    if effort not in _EXACT:
        losses.drop(param)
    return _LEVELS[effort]
