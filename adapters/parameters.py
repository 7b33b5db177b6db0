"""Parameters of which a provider takes less than OpenAI does: moved to the nearest, left out and named, or refused.

Knows no provider.
"""

from collections.abc import Iterable, Mapping
from typing import Final, TypeVar

from msgspec import UNSET

from adapters.base import Losses
from adapters.errors import ErrorKind, ProviderError
from schemas.chat_request import ChatRequest, Modality

NumberT = TypeVar("NumberT", int, float)
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
_MISSING: Final[Mapping[Modality, str]] = {
    "text": "This model does not write.",
    "audio": "This model does not speak.",
    "image": "This model does not draw.",
}


def drop_given(request: ChatRequest, names: Iterable[str], losses: Losses) -> None:
    """Drop what the client gave of these fields, unless it asks for nothing."""
    for name in names:
        value: object = getattr(request, name)
        if value is not None and value is not UNSET and value not in NEUTRAL.get(name, ()):
            losses.drop(name)


def within(value: NumberT | None, least: NumberT, most: NumberT, param: str, losses: Losses) -> NumberT | None:
    """Return the nearest value from `least` to `most`; names the parameter where that is another one."""
    if value is None or least <= value <= most:
        return value
    losses.drop(param)
    return min(max(value, least), most)


def stop_sequences(request: ChatRequest, most: int) -> list[str] | None:
    """Return the sequences, None for none; raises `ProviderError` for more: without one the answer would run on."""
    stop = request.stop
    sequences = [stop] if isinstance(stop, str) else stop or None
    if sequences is not None and len(sequences) > most:
        message = f"This model takes at most {most} stop sequences; there are {len(sequences)}."
        raise ProviderError(ErrorKind.UNSUPPORTED_PARAMETER, message, param="stop")
    return sequences


def spoken_stop_sequences(request: ChatRequest, losses: Losses) -> list[str] | None:
    """Return the sequences that are more than white space, None for none; the others are dropped."""
    if request.stop is None:
        return None
    given = [request.stop] if isinstance(request.stop, str) else request.stop
    kept = [stop for stop in given if stop.strip()]
    if len(kept) < len(given):
        losses.drop("stop")
    return kept or None


def refuse_modalities(request: ChatRequest, *missing: Modality) -> None:
    """Raise `ProviderError` where the client asks for one of these."""
    for name in request.modalities or ():
        if name in missing:
            raise ProviderError(ErrorKind.UNSUPPORTED_PARAMETER, _MISSING[name], param="modalities")


def refuse_several_answers(request: ChatRequest) -> None:
    """Raise `ProviderError` where the client asks for more than one answer."""
    if request.n is not None and request.n != 1:
        raise one_answer_only()


def one_answer_only() -> ProviderError:
    """Return the refusal of `n`, by which the gateway knows that it must ask several times itself."""
    message = "This model gives one answer at a time: leave 'n' out or set it to 1."
    return ProviderError(ErrorKind.UNSUPPORTED_PARAMETER, message, param="n")
