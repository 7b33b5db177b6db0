"""The contract between the gateway and a provider's adapter; knows no provider.

An adapter is built once per process with the shared `Transport`, holds no state of its own, and implements the
operation Protocols that its provider has: what it can do is derived from them, never declared beside them.
"""

import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Final, Generic, Literal, Protocol, TypeVar, runtime_checkable

from msgspec import Raw, Struct, field
from typing_extensions import override

from adapters.errors import ErrorKind, ProviderError
from adapters.stream_state import StreamState
from adapters.transport import Timeouts, Transport
from schemas.chat_request import ChatRequest
from schemas.chat_response import ChatCompletion, ChatCompletionChunk
from schemas.completions import Completion, CompletionRequest
from schemas.embeddings import EmbeddingRequest, EmbeddingResponse
from schemas.rerank import RerankRequest, RerankResponse
from schemas.usage import Usage

BodyT = TypeVar("BodyT")
ChunkT_co = TypeVar("ChunkT_co", covariant=True)
ExtraParams = Literal["drop", "reject", "forward"]
MultipleAnswers = Literal["auto", "fan_out", "reject"]
AutoCache = Literal["5m", "1h"]
_INDEX: Final = re.compile(r"\[[0-9]+\]")
BLANK_MESSAGE: Final = "(blank message)"
"""A user's turn that says nothing, for providers that take no blank text: left out, the answer would go on."""


class Secret(Struct, frozen=True):
    """A credential that does not show itself in logs and tracebacks."""

    value: str

    @override
    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__


MAX_QUERIES: Final = 10
"""Searches of one answer where the operator says nothing."""
MAX_SECONDS: Final = 1_800
"""The length of one recording where the operator says nothing."""


class Deployment(Struct, frozen=True, kw_only=True):
    """A model at a provider account: everything that the operator configured for one upstream.

    `base_url` is without a trailing slash. `options` are adapter-specific texts (for example `api_version`).
    `max_output_tokens` is the model's cap, where known. `headers` are sent with every upstream request. `auto_cache` is
    how long a prompt without cache breakpoints of its own is cached, where the provider wants breakpoints.
    `multiple_answers` says how `n > 1` is answered, `fetch_media` whether media that the provider does not read itself
    are fetched for it (None: as its option says). `max_queries` is how many searches one answer may take, and
    `max_seconds` how long one recording may be: what nothing else bounds, so that it can be reserved.
    """

    id: str
    model: str
    provider: str
    adapter: str
    upstream_model: str
    base_url: str = ""
    credential: Secret | None = None
    quirks: str = "default"
    options: Mapping[str, str] = field(default_factory=dict[str, str])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    extra_params: ExtraParams = "drop"
    multiple_answers: MultipleAnswers = "auto"
    auto_cache: AutoCache | None = None
    fetch_media: bool | None = None
    context_window: int | None = None
    max_output_tokens: int | None = None
    max_queries: int = MAX_QUERIES
    max_seconds: int = MAX_SECONDS
    timeouts: Timeouts = Timeouts()

    @override
    def __repr__(self) -> str:
        """Show no value that may be a key: operators put them in headers, options and even URLs."""
        return (
            f"Deployment(id={self.id!r}, model={self.model!r}, provider={self.provider!r}, adapter={self.adapter!r}, "
            f"upstream_model={self.upstream_model!r}, quirks={self.quirks!r}, options={sorted(self.options)}, "
            f"headers={sorted(self.headers)})"
        )


class Call(Struct, frozen=True, kw_only=True):
    """All that one attempt may know.

    `deadline` is in seconds of the event loop's clock. `extra_params` are the request's unknown top-level fields, as
    the client wrote them. `on_head` is called with the headers of each upstream answer, their names in lower case.
    `on_abandoned` is called with what was consumed where one call is several to the provider and is cancelled: who
    cancels it knows of one.
    """

    deployment: Deployment
    request_id: str
    deadline: float
    attempt: int = 1
    extra_params: Mapping[str, Raw] = field(default_factory=dict[str, Raw])
    on_head: Callable[[Mapping[str, str]], None] | None = None
    on_abandoned: Callable[[Usage], None] | None = None


class Result(Struct, Generic[BodyT], frozen=True, kw_only=True):
    """A whole answer.

    `native_finish_reason` is the provider's own word, for the usage row. `dropped_params` names the request fields
    that the provider has no equivalent for.
    """

    body: BodyT
    usage: Usage
    upstream_id: str | None = None
    upstream_model: str | None = None
    native_finish_reason: str | None = None
    dropped_params: tuple[str, ...] = ()


class ChunkStream(StreamState, Protocol[ChunkT_co]):
    """A streamed answer: single use, one owner, who calls `aclose` in the end.

    Iteration yields all chunks that one read produced, so that they leave in one write. It raises `ProviderError`
    when the stream fails, also when it ends without the provider's terminal event.
    """

    @property
    def dropped_params(self) -> tuple[str, ...]:
        """Request fields that the provider has no equivalent for."""
        ...

    def __aiter__(self) -> AsyncIterator[tuple[ChunkT_co, ...]]: ...

    async def push(self, take: Callable[[Sequence[ChunkT_co]], bool]) -> bool:
        """Hand the chunks to `take` as iteration would yield them; raises as iteration does.

        Returns True at the end of the stream, False as soon as `take` returns False: then the rest is still to come,
        by this method or by iteration. Saves waking a task for each read (decision record 0009).
        """
        ...

    async def aclose(self) -> None:
        """Release the upstream connection; closes it where the stream has not finished. Idempotent."""
        ...


async def push_each(stream: ChunkStream[BodyT], take: Callable[[Sequence[BodyT]], bool]) -> bool:
    """Push what iteration yields: `ChunkStream.push` for streams that have no quicker way."""
    async for chunks in stream:
        if not take(chunks):
            return False
    return True


class Adapter(Protocol):
    """What every adapter is: built with the shared transport."""

    def __init__(self, transport: Transport) -> None: ...


@runtime_checkable
class SupportsChat(Protocol):
    """Chat completions, whole and streamed."""

    async def chat(self, request: ChatRequest, call: Call) -> Result[ChatCompletion]:
        """Return the whole answer or raise `ProviderError`."""
        ...

    async def chat_stream(self, request: ChatRequest, call: Call) -> ChunkStream[ChatCompletionChunk]:
        """Return the stream once upstream has answered with success, or raise `ProviderError`.

        Usage is always asked for upstream and reported in `stream.usage`, never in the chunks: whether the client
        sees it is the caller's matter.
        """
        ...


@runtime_checkable
class SupportsCompletions(Protocol):
    """Legacy text completions, whole and streamed."""

    async def completion(self, request: CompletionRequest, call: Call) -> Result[Completion]:
        """Return the whole answer or raise `ProviderError`."""
        ...

    async def completion_stream(self, request: CompletionRequest, call: Call) -> ChunkStream[Completion]:
        """As `SupportsChat.chat_stream`."""
        ...


@runtime_checkable
class SupportsEmbeddings(Protocol):
    """Embeddings."""

    async def embeddings(self, request: EmbeddingRequest, call: Call) -> Result[EmbeddingResponse]:
        """Return the vectors or raise `ProviderError`."""
        ...


@runtime_checkable
class SupportsRerank(Protocol):
    """Documents put in order by how well they answer a query."""

    async def rerank(self, request: RerankRequest, call: Call) -> Result[RerankResponse]:
        """Return the scores, the best first, or raise `ProviderError`."""
        ...


@runtime_checkable
class SupportsModelDiscovery(Protocol):
    """Listing what the provider account offers; off the hot path."""

    async def list_models(self, call: Call) -> tuple[str, ...]:
        """Return upstream model ids, sorted, or raise `ProviderError`."""
        ...


ReasoningBack = Literal["never", "with_calls", "always"]
"""With which of its answers a provider wants its reasoning back: none, those that called tools, all that are signed."""


class WantsReasoningBack(Protocol):
    """An adapter with providers that want their signed reasoning back, which clients may drop.

    The gateway then keeps what an answer carries (`reasoning_details`, `extra_content`) and puts it back where a
    history lacks it. Whether a piece is the provider's own is still for the translation to judge.
    """

    def wants_reasoning_back(self, request: ChatRequest, call: Call) -> ReasoningBack:
        """Return with which answers the model that is asked does."""
        ...


class Losses(Struct):
    """Collects the request fields that a translation cannot carry, under the model's `extra_params` policy.

    `dropped` are the fields noted so far, in order, each once.
    """

    policy: ExtraParams
    dropped: tuple[str, ...] = ()

    def drop(self, param: str) -> None:
        """Note that `param` (a JSON path) is left out or changed; raises under the policy `reject`.

        The error names the place. Of what is left out the form is noted, `messages[].name`, once for all places.
        """
        if self.policy == "reject":
            message = f"This model does not support the parameter '{param}'. Leave it out and try again."
            raise ProviderError(ErrorKind.UNSUPPORTED_PARAMETER, message, param=param)
        form = _INDEX.sub("[]", param)
        if form not in self.dropped:
            self.dropped += (form,)
