"""What OpenAI's reasoning models refuse, and values that other servers take less of; knows no HTTP.

Source: https://platform.openai.com/docs/guides/reasoning and .../latest-model (parameter compatibility), checked
2026-11-27. Where the name says nothing, the server's own answer decides; the deployment's option `sampling` (`free` or
`none`) stands above the name.
"""

import re
from functools import lru_cache
from typing import Final

from adapters.base import Deployment, Losses
from adapters.errors import ErrorKind, ProviderError
from adapters.openai.quirks import Quirks
from adapters.parameters import NEUTRAL, within
from schemas.chat_request import ChatRequest

_FIELDS: Final = (
    "temperature",
    "top_p",
    "frequency_penalty",
    "presence_penalty",
    "logit_bias",
    "logprobs",
    "top_logprobs",
)
_DEFAULTS: Final = {**NEUTRAL, "temperature": (1,), "top_p": (1,)}
# `gpt-5` and its sizes, not `gpt-5-chat` and no later model.
_NEVER: Final = re.compile(r"(?:o1|o3|o4-mini|codex-mini|gpt-5)(?!-chat)(?:-|$)")
_WITHOUT_REASONING: Final = re.compile(r"gpt-5\.[1-6](?!-chat)(?:-|$)")


def bound_sampling(
    request: ChatRequest, deployment: Deployment, quirks: Quirks, changes: dict[str, object], losses: Losses
) -> None:
    """Leave out or change what the model does not take, and name it; a default is left out without a word."""
    if _refuses(request, deployment, quirks):
        for name in _FIELDS:
            value: object = getattr(request, name)
            if value is not None:
                changes[name] = None
                if value not in _DEFAULTS[name]:
                    losses.drop(name)
        return
    for name, (least, most) in quirks.ranges.items():
        given: float | None = getattr(request, name)
        near = within(given, least, most, name, losses)
        if near != given:
            changes[name] = None if name == "seed" else near
    if not quirks.greedy_top_p and request.temperature == 0 and request.top_p not in {None, 1}:
        changes["top_p"] = None
        losses.drop("top_p")


def _refuses(request: ChatRequest, deployment: Deployment, quirks: Quirks) -> bool:
    option = deployment.options.get("sampling")
    if option is not None:
        if option not in {"free", "none"}:
            message = "The deployment's option 'sampling' has an unknown value."
            raise ProviderError(ErrorKind.MODEL_NOT_FOUND, message)
        return option == "none"
    if not quirks.own_models:
        return False
    never, without_reasoning = _refusals(deployment.upstream_model)
    return never or (without_reasoning and _reasons(request))


@lru_cache(maxsize=1024)
def _refusals(name: str) -> tuple[bool, bool]:
    """Return whether a model refuses sampling parameters always, and whether while it reasons."""
    return _NEVER.match(name) is not None, _WITHOUT_REASONING.match(name) is not None


def _reasons(request: ChatRequest) -> bool:
    """Whether the client asks for reasoning in words of its own; the model's default is the model's to know."""
    effort = request.reasoning.effort if request.reasoning is not None else None
    return (effort or request.reasoning_effort or "none") != "none"
