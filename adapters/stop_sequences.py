"""Stop sequences in a list, where a provider takes fewer of them than a request may have."""

from adapters.errors import ErrorKind, ProviderError


def at_most(most: int, stop: str | list[str] | None) -> list[str] | None:
    """Return the sequences, None for none; raises `ProviderError` for more: without one the answer would run on."""
    sequences = [stop] if isinstance(stop, str) else stop or None
    if sequences is not None and len(sequences) > most:
        message = f"This model takes at most {most} stop sequences; there are {len(sequences)}."
        raise ProviderError(ErrorKind.UNSUPPORTED_PARAMETER, message, param="stop")
    return sequences
