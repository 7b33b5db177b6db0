"""What the model generations differ in, as one table that the operator can overrule; knows no request.

Sources, checked 2026-11-24: https://platform.claude.com/docs/en/about-claude/models/overview, the migration guides
beside it, and a recorded `GET /v1/models`. `deployment.options` overrule `thinking`, `structured_outputs`, `sampling`;
`deployment.max_output_tokens` overrules the cap.
"""

from typing import Final, Literal, TypeVar, get_args

from msgspec import Struct
from msgspec.structs import replace

from adapters.base import Deployment
from adapters.errors import ErrorKind, ProviderError
from schemas.anthropic.request import Effort

ChoiceT = TypeVar("ChoiceT", bound=str)
ThinkingStyle = Literal["none", "budget", "adaptive"]
ThinkingOff = Literal["disabled", "between_tools", "low_effort"]
Sampling = Literal["free", "one_of", "none"]

_FOUR: Final[tuple[Effort, ...]] = ("low", "medium", "high", "max")
_FIVE: Final[tuple[Effort, ...]] = ("low", "medium", "high", "xhigh", "max")


class ModelFacts(Struct, frozen=True, kw_only=True):
    """One generation.

    `thinking` is how it is asked for, `thinks_by_default` whether silence means thinking, `off` how it is turned off.
    `sampling`: `temperature` and `top_p` may be given both, one of them, or not at all. `forced_tools`: whether a tool
    call can be demanded.
    """

    max_output_tokens: int
    thinking: ThinkingStyle = "adaptive"
    thinks_by_default: bool = False
    off: ThinkingOff = "disabled"
    efforts: tuple[Effort, ...] = _FIVE
    structured_outputs: bool = True
    sampling: Sampling = "none"
    forced_tools: bool = True


_ALWAYS_ADAPTIVE = ModelFacts(max_output_tokens=128_000, thinks_by_default=True, off="low_effort")
_UNFORCEABLE = replace(_ALWAYS_ADAPTIVE, forced_tools=False)
_FIFTH = ModelFacts(max_output_tokens=128_000, thinks_by_default=True)
_BUDGET = ModelFacts(max_output_tokens=64_000, thinking="budget", efforts=(), sampling="one_of")
_FIRST_FOURTH = replace(_BUDGET, structured_outputs=False, sampling="free")
_THIRD = ModelFacts(max_output_tokens=4_096, thinking="none", efforts=(), structured_outputs=False, sampling="free")
# Where a name begins with several keys, the longest decides.
_TABLE: Final = {
    "claude-fable": _ALWAYS_ADAPTIVE,
    "claude-fable-5-1": _UNFORCEABLE,
    "claude-fable-5-2": _UNFORCEABLE,
    "claude-mythos": _ALWAYS_ADAPTIVE,
    "claude-mythos-5-1": _UNFORCEABLE,
    "claude-mythos-5-2": _UNFORCEABLE,
    "claude-opus-5": _FIFTH,
    "claude-opus-5-5": _UNFORCEABLE,
    "claude-sonnet-5": _FIFTH,
    "claude-sonnet-5-5": replace(_FIFTH, off="between_tools"),
    "claude-haiku-5": _FIFTH,
    "claude-opus-4-8": ModelFacts(max_output_tokens=128_000),
    "claude-opus-4-7": ModelFacts(max_output_tokens=128_000),
    "claude-opus-4-6": ModelFacts(max_output_tokens=128_000, efforts=_FOUR, sampling="one_of"),
    "claude-sonnet-4-6": ModelFacts(max_output_tokens=128_000, efforts=_FOUR, sampling="one_of"),
    "claude-opus-4-5": _BUDGET,
    "claude-sonnet-4-5": _BUDGET,
    "claude-haiku-4-5": _BUDGET,
    "claude-opus-4-1": replace(_BUDGET, max_output_tokens=32_000),
    "claude-opus-4": replace(_FIRST_FOURTH, max_output_tokens=32_000),
    "claude-4-opus": replace(_FIRST_FOURTH, max_output_tokens=32_000),
    "claude-sonnet-4": _FIRST_FOURTH,
    "claude-4-sonnet": _FIRST_FOURTH,
    "claude-3-7": _FIRST_FOURTH,
    "claude-3-5": replace(_THIRD, max_output_tokens=8_192),
    "claude-3": _THIRD,
    "claude-2": _THIRD,
    "claude": _FIFTH,  # a generation to come
}
_BY_LENGTH: Final = sorted(_TABLE, key=len, reverse=True)
# Another server that speaks this API: what is most portable, and the smallest cap of a current model.
_UNKNOWN: Final = replace(_FIRST_FOURTH, max_output_tokens=32_000)


def facts_of(deployment: Deployment) -> ModelFacts:
    """Return what is known of the deployment's model; raises `ProviderError` for an option that does not exist."""
    facts = _lookup(deployment.upstream_model)
    options = deployment.options
    if deployment.max_output_tokens is not None:
        facts = replace(facts, max_output_tokens=deployment.max_output_tokens)
    if "thinking" in options:
        style: ThinkingStyle = _one_of(get_args(ThinkingStyle), "thinking", options["thinking"])
        facts = replace(facts, thinking=style, efforts=facts.efforts or _FOUR)
    if "sampling" in options:
        sampling: Sampling = _one_of(get_args(Sampling), "sampling", options["sampling"])
        facts = replace(facts, sampling=sampling)
    if "structured_outputs" in options:
        native = _one_of(("true", "false"), "structured_outputs", options["structured_outputs"]) == "true"
        facts = replace(facts, structured_outputs=native)
    return facts


def _lookup(model: str) -> ModelFacts:
    """Find `claude-...` inside a name such as `us.anthropic.claude-opus-4-1-20250805-v1:0`."""
    name = model.lower().replace(".", "-")
    start = name.find("claude")
    if start < 0:
        return _UNKNOWN
    return next((_TABLE[key] for key in _BY_LENGTH if name.startswith(key, start)), _UNKNOWN)


def _one_of(allowed: tuple[ChoiceT, ...], option: str, value: str) -> ChoiceT:
    for candidate in allowed:
        if value == candidate:
            return candidate
    raise ProviderError(ErrorKind.SERVER_ERROR, f"The deployment's option '{option}' has an unknown value.")
