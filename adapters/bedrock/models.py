"""What the model families behind Converse differ in, as one table that the operator can overrule; knows no request.

Sources, checked 2026-11-24: https://docs.aws.amazon.com/bedrock/latest/userguide/conversation-inference-supported-models-features.html,
.../prompt-caching.html, .../structured-output.html, and https://docs.aws.amazon.com/nova/latest/nova2-userguide/. What
Claude's generations differ in stands with Anthropic's own API. `deployment.options`: `base_model` names the model behind
an ARN that does not say it; `thinking`, `sampling` and `structured_outputs` overrule the table for Claude.
"""  # noqa: E501 - an address

import re
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from adapters.anthropic.models import ModelFacts, facts_of
from adapters.base import Deployment

Family = Literal["claude", "nova", "nova2", "gpt_oss", "mistral", "other"]
Forcing = Literal["tool", "any", "none"]

CLAUDE_FORMAT: Final = "anthropic-claude-v1"
OWN_FORMAT: Final = "bedrock-converse-v1"
_FAMILIES: Final[tuple[tuple[re.Pattern[str], Family], ...]] = (
    (re.compile(r"claude"), "claude"),
    (re.compile(r"nova-(?:2|premier-2)"), "nova2"),
    (re.compile(r"nova-"), "nova"),
    (re.compile(r"gpt-oss"), "gpt_oss"),
    (re.compile(r"mistral|pixtral|ministral|magistral"), "mistral"),
)
_PLAIN: Final = ModelFacts(
    max_output_tokens=4_096, thinking="none", efforts=(), structured_outputs=False, sampling="free"
)
_LEVELS: Final = replace(_PLAIN, thinking="adaptive", efforts=("low", "medium", "high"))
_FACTS: Final[dict[Family, ModelFacts]] = {"nova2": _LEVELS, "gpt_oss": replace(_LEVELS, off="low_effort")}
_FORCING: Final[dict[Family, Forcing]] = {"claude": "tool", "nova": "tool", "nova2": "tool", "mistral": "any"}
# On Bedrock constrained decoding began a generation later than on Anthropic's own API.
_UNCONSTRAINED: Final = re.compile(r"opus-4-1|opus-4-2025")
# What each earlier Claude answers: "extraneous key [disable_parallel_tool_use] is not permitted".
_CALLS_IN_PARALLEL: Final = re.compile(
    r"claude-(?:instant|v?[123](?!\d)|4-(?:opus|sonnet)|(?:opus|sonnet)-4(?:[-.]1)?(?:$|[-@:](?:20\d{6}|v\d)))"
)


class Traits(Struct, frozen=True, kw_only=True):
    """One model.

    `forcing`: whether one tool, any tool or none can be demanded. `caches`: where a cache point may stand.
    `reasoning_format` is the owner of its signed reasoning. `one_call`: whether parallel calls can be switched off.
    """

    family: Family
    facts: ModelFacts
    forcing: Forcing
    caches: Literal["all", "messages", "none"]
    reasoning_format: str
    one_call: bool = False


def traits_of(deployment: Deployment) -> Traits:
    """Return what is known of the deployment's model; raises `ProviderError` for an option that does not exist."""
    name = deployment.options.get("base_model") or deployment.upstream_model
    lowered = name.lower()
    family = _family(lowered)
    if family != "claude":
        return Traits(
            family=family,
            facts=_FACTS.get(family, _PLAIN),
            forcing=_FORCING.get(family, "none"),
            caches="messages" if family in {"nova", "nova2"} else "none",
            reasoning_format=OWN_FORMAT,
        )
    facts = facts_of(replace(deployment, upstream_model=name))
    if "structured_outputs" not in deployment.options and _UNCONSTRAINED.search(lowered):
        facts = replace(facts, structured_outputs=False)
    return Traits(
        family=family,
        facts=facts,
        forcing="tool" if facts.forced_tools else "none",
        caches="all",
        reasoning_format=CLAUDE_FORMAT,
        one_call=_CALLS_IN_PARALLEL.search(lowered) is None,
    )


def _family(name: str) -> Family:
    for pattern, family in _FAMILIES:
        if pattern.search(name):
            return family
    return "other"
