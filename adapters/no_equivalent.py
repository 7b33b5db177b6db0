"""Fields of the hub that a dialect has no equivalent for: left out and named, or refused; knows no provider."""

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import UNSET

from adapters.base import Losses
from adapters.errors import ErrorKind, ProviderError
from schemas.chat_request import ChatRequest

NEUTRAL: Final[Mapping[str, tuple[object, ...]]] = {
    "frequency_penalty": (0,),
    "logit_bias": ({},),
    "logprobs": (False,),
    "metadata": ({},),
    "presence_penalty": (0,),
    "prompt_cache_retention": ("in_memory",),
    "store": (False,),
    "top_logprobs": (0,),
    "verbosity": ("medium",),
}
"""The values of fields that ask for nothing."""


def drop_given(request: ChatRequest, names: Iterable[str], losses: Losses) -> None:
    """Drop what the client gave of these fields, unless it asks for nothing."""
    for name in names:
        value: object = getattr(request, name)
        if value is not None and value is not UNSET and value not in NEUTRAL.get(name, ()):
            losses.drop(name)


def refuse_several_answers(request: ChatRequest) -> None:
    """Raise `ProviderError` where the client asks for more than one answer."""
    if request.n is not None and request.n != 1:
        raise one_answer_only()


def one_answer_only() -> ProviderError:
    """Return the refusal of `n`, by which the gateway knows that it must ask several times itself."""
    message = "This model gives one answer at a time: leave 'n' out or set it to 1."
    return ProviderError(ErrorKind.UNSUPPORTED_PARAMETER, message, param="n")
