"""An endpoint family as a value: what the one pipeline must know of chat, completions or embeddings."""

import math
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

from msgspec import Raw, Struct
from msgspec.structs import replace

from adapters.base import Call, ChunkStream, ReasoningBack, Result
from aqueduct.limits.estimate import CHARS_PER_TOKEN
from schemas.chat_request import StreamOptions
from schemas.usage import Usage

DecodedT_co = TypeVar("DecodedT_co", covariant=True)
ChunkT_contra = TypeVar("ChunkT_contra", contravariant=True)


class OperationRequest(Protocol):
    """What every operation's request has."""

    @property
    def model(self) -> str:
        """The model's public name, as the client wrote it."""
        ...

    @property
    def user(self) -> str | None:
        """The client's own name for its user."""
        ...


class RequestDecoder(Protocol[DecodedT_co]):
    """From a body's bytes to a request."""

    def decode(self, body: bytes) -> tuple[DecodedT_co, Mapping[str, Raw]]:
        """Return the request and its unknown top-level fields; raises `GatewayError` 400 that names the field."""
        ...


class OperationBody(Protocol):
    """What every operation's answer has."""

    model: str


RequestT = TypeVar("RequestT", bound=OperationRequest)
BodyT = TypeVar("BodyT", bound=OperationBody)
ChunkT = TypeVar("ChunkT", bound=OperationBody)


def wants_stream(request: object) -> bool:
    """Return whether the client asked for a stream; operations that have none have no such field."""
    return getattr(request, "stream", None) is True


def wants_usage(request: object) -> bool:
    """Return whether the client asked for the usage of its stream."""
    options: StreamOptions | None = getattr(request, "stream_options", None)
    return options is not None and options.include_usage is True


def max_output(request: object) -> int | None:
    """Return the client's bound on the output in tokens, all choices together; None: none; 0: there is no text."""
    if not hasattr(request, "max_tokens"):
        return 0
    newer: object = getattr(request, "max_completion_tokens", None)
    bound: object = newer if isinstance(newer, int) else getattr(request, "max_tokens", None)
    if not isinstance(bound, int):
        return None
    return max(0, bound) * answers(request)


def answers(request: object) -> int:
    """Return how many answers a request has written for it; with `best_of`, those that it does not get count too."""
    asked: list[object] = [getattr(request, name, None) for name in ("n", "best_of")]
    return max(1, *(number for number in asked if isinstance(number, int)), 1)


class Units(Struct, frozen=True, kw_only=True):
    """What a request may be charged for beside tokens, in one of its `answers`.

    `queries` are those that are known beforehand; one that `may_search` takes as many more as its deployment allows
    where it asks for it, where unknown fields (`has_more`) may, or where the provider may do so unasked.
    """

    images: int = 0
    recordings: int = 0
    queries: int = 0
    may_search: bool = False
    asks_to_search: bool = False
    has_more: bool = False
    answers: int = 1


class StreamSpec(Struct, Generic[RequestT, ChunkT], frozen=True):
    """How an operation streams."""

    open: Callable[[object, RequestT, Call], Awaitable[ChunkStream[ChunkT]]]
    """Opens the stream on an adapter that supports the operation."""
    content_chars: Callable[[ChunkT], int]
    """Characters of the answer in a chunk; from the first on the provider cannot be changed."""
    mask_usage: Callable[[ChunkT], None]
    """Marks a chunk of a client that asked for usage: `usage: null`."""
    usage_chunk: Callable[[ChunkT, Usage], ChunkT]
    """Builds the extra last chunk with the usage, like the given chunk in id and time."""
    finish_reason: Callable[[ChunkT], str | None]
    cut: Callable[[ChunkT, Collection[int]], ChunkT]
    """Builds the chunk that ends choices of these numbers with `length`, like the given chunk in id and time."""
    choices: Callable[[ChunkT], Collection[int]]
    """The numbers of the choices in a chunk."""


class StateCollector(Protocol[ChunkT_contra]):
    """Collects the state of one streamed answer."""

    def feed(self, chunk: ChunkT_contra) -> None:
        """Take a chunk."""
        ...

    def result(self) -> Mapping[str, bytes]:
        """Return the state collected so far, by key."""
        ...


class StateSpec(Struct, Generic[RequestT, BodyT, ChunkT], frozen=True, kw_only=True):
    """Where an operation's messages hold opaque state: see `aqueduct.vault.states`."""

    wanted: Callable[[object, RequestT, Call], ReasoningBack]
    """With which answers an adapter's provider wants state back."""
    lacks_any: Callable[[RequestT], bool]
    """Whether an earlier answer came back without state; asked of every request."""
    lacking: Callable[[RequestT, ReasoningBack], Mapping[int, str]]
    """The keys of earlier answers that came back without theirs, by place; as far as they are wanted."""
    restored: Callable[[RequestT, Mapping[int, str], Mapping[str, bytes]], RequestT]
    of_body: Callable[[RequestT, BodyT, ReasoningBack], Mapping[str, bytes]]
    """The state of a whole answer to a request, by key, as far as it is wanted."""
    may_call_tools: Callable[[RequestT], bool]
    """Whether the answer can be more than a text."""
    collector: Callable[[RequestT, ReasoningBack], StateCollector[ChunkT]]
    """As `of_body`, of a stream."""


class TextCollector(Protocol[ChunkT_contra]):
    """Collects the texts of one streamed answer, within a bound."""

    def feed(self, chunk: ChunkT_contra) -> None:
        """Take a chunk."""
        ...

    def texts(self) -> Sequence[str]:
        """Return the texts that have a form to follow, none where there is nothing to check."""
        ...


class FormSpec(Struct, Generic[RequestT, BodyT, ChunkT], frozen=True, kw_only=True):
    """How an operation's answers are held against a JSON schema: see `aqueduct.pipeline.form`."""

    schema: Callable[[RequestT], bytes | None]
    """The schema that the client asked for."""
    texts: Callable[[BodyT], Sequence[str]]
    """The texts that must follow it, none where the answer is something else."""
    is_complete: Callable[[BodyT], bool]
    """Whether the answer ended by itself, so that asking again may help."""
    asked_again: Callable[[RequestT, BodyT, str], RequestT]
    """The request with the wrong answer and the reason behind it."""
    collector: Callable[[], TextCollector[ChunkT]]
    wants_verdict: Callable[[RequestT], bool]
    """Whether the client wants to be told in the stream."""
    tell: Callable[[ChunkT, bool], None]
    """Puts the verdict into the chunk with the usage."""


class OperationSpec(Struct, Generic[RequestT, BodyT, ChunkT], frozen=True, kw_only=True):
    """One operation: its wire types and how an adapter performs it."""

    name: str
    path: str
    summary: str
    supports: type
    """The Protocol that an adapter must implement."""
    request_type: type[RequestT]
    body_type: type[BodyT]
    chunk_type: type[ChunkT] | None = None
    decoder: RequestDecoder[RequestT]
    call: Callable[[object, RequestT, Call], Awaitable[Result[BodyT]]]
    finish_reason: Callable[[BodyT], str | None]
    prompt_chars: Callable[[RequestT], int]
    """Characters of text in a request, for estimates."""
    template_tokens: Callable[[RequestT], int] | None = None
    """Tokens that providers add to a request's text, as a rule: for what is reserved, never for what is booked."""
    output_chars: Callable[[BodyT], int]
    """Characters of text in an answer, for estimates."""
    units: Callable[[RequestT], Units] = lambda _: Units()
    """What a request may be charged for beside tokens."""
    taken: Callable[[RequestT, int], Usage] | None = None
    """What a request is charged for beside tokens once it is taken up, as far as it tells itself, for estimates.

    The number is the most seconds of a recording. Never more than `units`.
    """
    validate: Callable[[RequestT], None]
    """Checks what the types cannot say; raises `GatewayError`."""
    bounded: Callable[[RequestT, int], RequestT] | None = None
    """The request with a bound on the output in tokens, all answers together, for operations that have one."""
    stream: StreamSpec[RequestT, ChunkT] | None = None
    form: FormSpec[RequestT, BodyT, ChunkT] | None = None
    """For operations whose answers can be asked for in a form."""
    states: StateSpec[RequestT, BodyT, ChunkT] | None = None
    """For operations whose answers carry opaque state that clients may drop."""

    def reserved_units(self, request: RequestT, *, has_more: bool) -> Units:
        """Return the units to reserve for; `has_more`: there are unknown fields, which may ask for anything."""
        units = self.units(request)
        return replace(units, has_more=True) if has_more and units.may_search else units

    def reserved_chars(self, request: RequestT) -> int:
        """Return the characters of input to reserve for."""
        added = 0 if self.template_tokens is None else self.template_tokens(request)
        return self.prompt_chars(request) + math.ceil(added * CHARS_PER_TOKEN)
