"""What is known of a streamed answer while it comes in; knows no chunk."""

from typing import Protocol

from schemas.usage import Usage


class StreamState(Protocol):
    """Whoever streams an answer can tell this of it at any time."""

    @property
    def usage(self) -> Usage | None:
        """Best known so far; final once `finished`. None while the provider has reported nothing."""
        ...

    @property
    def finished(self) -> bool:
        """True only after the provider's terminal event."""
        ...

    @property
    def upstream_id(self) -> str | None:
        """The provider's id of the answer."""
        ...

    @property
    def upstream_model(self) -> str | None:
        """The model that the provider says it used."""
        ...

    @property
    def native_finish_reason(self) -> str | None:
        """The provider's own word for why the answer ended."""
        ...


class OwnState:
    """The `StreamState` of who reads the answer: nothing is known at the start."""

    usage: Usage | None = None
    finished: bool = False
    upstream_id: str | None = None
    upstream_model: str | None = None
    native_finish_reason: str | None = None


class SharedState:
    """The `StreamState` of who hands on what `source` reads."""

    def __init__(self, source: StreamState) -> None:
        self._source = source

    @property
    def usage(self) -> Usage | None:
        """See `StreamState`."""
        return self._source.usage

    @property
    def finished(self) -> bool:
        """See `StreamState`."""
        return self._source.finished

    @property
    def upstream_id(self) -> str | None:
        """See `StreamState`."""
        return self._source.upstream_id

    @property
    def upstream_model(self) -> str | None:
        """See `StreamState`."""
        return self._source.upstream_model

    @property
    def native_finish_reason(self) -> str | None:
        """See `StreamState`."""
        return self._source.native_finish_reason
