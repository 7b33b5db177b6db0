"""The JSON schema of a tool's parameters as clients send it; knows no provider."""

from typing import Final

import msgspec
from msgspec import Raw, UnsetType

from adapters.errors import ErrorKind, ProviderError

NO_PARAMETERS: Final = Raw(b'{"type":"object","properties":{}}')
SCHEMA: Final = msgspec.json.Decoder(dict[str, Raw])
"""Reads the schema's own members, and leaves their values as they are."""


def parameters_of(raw: Raw | UnsetType, path: str) -> Raw:
    """Return the schema byte for byte, `NO_PARAMETERS` where there is none; raises `ProviderError` for no object."""
    if isinstance(raw, UnsetType) or bytes(raw) in {b"null", b"{}"}:
        return NO_PARAMETERS
    try:
        SCHEMA.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        message = f"'{path}' is no JSON schema object."
        raise ProviderError(ErrorKind.INVALID_REQUEST, message, param=path) from None
    return raw
