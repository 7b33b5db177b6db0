"""The model list of OpenAI-format servers; knows no HTTP."""

from typing import Final

import msgspec

from adapters.errors import UNREADABLE, ErrorKind, ProviderError
from schemas.openai import WireModel, WireModels

_DECODER: Final[msgspec.json.Decoder[WireModels | list[WireModel]]] = msgspec.json.Decoder(
    WireModels | list[WireModel]  # Together answers with the bare list
)


def to_model_ids(body: bytes) -> tuple[str, ...]:
    """Return the ids, sorted, each once; raises `ProviderError` for what is no model list."""
    try:
        wire = _DECODER.decode(body)
    except UNREADABLE:
        raise ProviderError(ErrorKind.BAD_RESPONSE, "The provider's answer is no model list.") from None
    models = wire.data if isinstance(wire, WireModels) else wire
    return tuple(sorted({model.id for model in models}))
