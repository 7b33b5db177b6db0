"""Fields that the model refuses, and values that the server takes less of: left out or changed; knows no HTTP.

The names of models decide (`adapters.openai.refused`). Where a name says nothing, the server's own answer does; the
deployment's option `sampling` (`free` or `none`) stands above the name.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from adapters.base import Deployment, Losses
from adapters.errors import ErrorKind, ProviderError
from adapters.openai.quirks import Quirks
from adapters.openai.refused import EFFORT, SAMPLING, refused_by
from adapters.parameters import NEUTRAL, within
from schemas.chat_request import ChatRequest

_DEFAULTS: Final[Mapping[str, tuple[object, ...]]] = {
    **NEUTRAL,
    "temperature": (1,),
    "top_p": (1,),
    "parallel_tool_calls": (True,),
    "stop": ([],),
    EFFORT: ("none",),
}
_REASONING: Final = (*SAMPLING, "stop", "max_tokens")
_CHANGES = dict[str, object]


def bound_sampling(
    request: ChatRequest, deployment: Deployment, quirks: Quirks, changes: _CHANGES, losses: Losses
) -> None:
    """Leave out or change what the model does not take, and name it; a default is left out without a word.

    To be called when everything else has been translated: what is left out is what would be sent.
    """
    effort = changes.get(EFFORT, request.reasoning_effort)
    refused = _refused_fields(deployment, quirks, reasons=effort not in {None, "none"})
    for name in refused:
        value: object = changes.get(name, getattr(request, name))
        if value is None:
            continue
        changes[name] = None
        if name == "max_tokens":
            changes["max_completion_tokens"] = request.max_completion_tokens or value
        elif value not in _DEFAULTS[name]:
            losses.drop(_spelled(name, request))
    for name, (least, most) in quirks.ranges.items():
        if name not in refused:
            given: float | None = getattr(request, name)
            near = within(given, least, most, name, losses)
            if near != given:
                changes[name] = None if name == "seed" else near
    if not quirks.greedy_top_p and request.temperature == 0 and request.top_p not in {None, 1}:
        changes["top_p"] = None
        losses.drop("top_p")


def _spelled(name: str, request: ChatRequest) -> str:
    """Return the field as the client wrote it: the effort has three spellings."""
    if name != EFFORT:
        return name
    return next((other for other in ("reasoning", "thinking") if getattr(request, other) is not None), name)


def _refused_fields(deployment: Deployment, quirks: Quirks, *, reasons: bool) -> Sequence[str]:
    """Return the fields that the model refuses; `reasons`: the client asks for it, the model's default is its own."""
    option = deployment.options.get("sampling")
    if option is not None:
        if option not in {"free", "none"}:
            message = "The deployment's option 'sampling' has an unknown value."
            raise ProviderError(ErrorKind.MODEL_NOT_FOUND, message)
        if option == "free":
            return ()
        return SAMPLING if quirks.refused is None else _REASONING
    if quirks.refused is None:
        return ()
    return refused_by(quirks.refused, deployment.upstream_model, reasons)
