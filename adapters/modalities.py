"""Forms of answers that a model does not have: asked for, they are refused and never lost; knows no provider."""

from adapters.errors import ErrorKind, ProviderError
from schemas.chat_request import ChatRequest, Modality

_MISSING: dict[Modality, str] = {
    "text": "This model does not write.",
    "audio": "This model does not speak.",
    "image": "This model does not draw.",
}


def refuse_modalities(request: ChatRequest, *missing: Modality) -> None:
    """Raise `ProviderError` where the client asks for one of these."""
    for name in request.modalities or ():
        if name in missing:
            raise ProviderError(ErrorKind.UNSUPPORTED_PARAMETER, _MISSING[name], param="modalities")
