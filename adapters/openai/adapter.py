"""OpenAI's API over HTTP: URLs, credentials and the order of steps; knows no field of any body."""

import time
from collections.abc import Awaitable
from typing import Final, TypeVar

from msgspec.structs import replace

from adapters.base import Call, ChunkStream, Losses, ReasoningBack, Result
from adapters.errors import ErrorKind, ProviderError
from adapters.exchange import Failure, SseChunkStream, Translator, read_body, send
from adapters.media import WebAddress
from adapters.openai.addresses import is_closed
from adapters.openai.completions import CompletionTranslator, to_completion, to_completion_body
from adapters.openai.embeddings import to_embedding_body, to_embedding_response
from adapters.openai.errors import to_error
from adapters.openai.models import to_model_ids
from adapters.openai.quirks import OPENAI, Quirks
from adapters.openai.request import to_chat_body
from adapters.openai.rerank import to_rerank_body, to_rerank_result
from adapters.openai.response import to_chat_completion
from adapters.openai.stream import ChunkTranslator
from adapters.openai.tool_forms import RestoringTranslator, fit_tools, restore
from adapters.transport import Header, Transport, UpstreamResponse
from schemas.chat_request import ChatRequest
from schemas.chat_response import ChatCompletion, ChatCompletionChunk
from schemas.completions import Completion, CompletionRequest
from schemas.embeddings import EmbeddingRequest, EmbeddingResponse
from schemas.rerank import RerankRequest, RerankResponse

CHAT: Final = "chat/completions"
COMPLETIONS: Final = "completions"
EMBEDDINGS: Final = "embeddings"
MODELS: Final = "models"
RERANK: Final = "rerank"
_JSON: Final[Header] = (b"content-type", b"application/json")
BodyT = TypeVar("BodyT")


class OpenAIFormatAdapter:
    """The base of the adapters for servers that speak OpenAI's format: they say where, who and which quirks."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    # --- operations

    async def chat(self, request: ChatRequest, call: Call) -> Result[ChatCompletion]:
        """See `SupportsChat`."""
        losses = Losses(call.deployment.extra_params)
        request, names = fit_tools(request, self.quirks(call), losses)
        body, dropped = self.chat_body(request, call, stream=False)
        answer = await self._exchange("POST", CHAT, body, call)
        result = self.to_result(answer, request, call)
        if names is not None:
            restore(result.body, names)
        return _with_dropped(result, losses.dropped + dropped)

    async def chat_stream(self, request: ChatRequest, call: Call) -> ChunkStream[ChatCompletionChunk]:
        """See `SupportsChat`."""
        losses = Losses(call.deployment.extra_params)
        request, names = fit_tools(request, self.quirks(call), losses)
        body, dropped = self.chat_body(request, call, stream=True)
        response = await self._send("POST", CHAT, body, call)
        translator = self.translator(request, call)
        if names is not None:
            translator = RestoringTranslator(translator, names)
        return SseChunkStream(response, translator, losses.dropped + dropped)

    def needs_content(self, address: WebAddress, call: Call) -> bool:
        """See `NeedsContent`."""
        if is_closed(call.deployment):
            return True
        quirks = self.quirks(call)
        return address.kind in quirks.unread_addresses or (address.kind == "audio" and not quirks.audio_url)

    async def embeddings(self, request: EmbeddingRequest, call: Call) -> Result[EmbeddingResponse]:
        """See `SupportsEmbeddings`."""
        quirks = self.quirks(call)
        body, dropped = to_embedding_body(request, call, quirks)
        answer = await self._exchange("POST", EMBEDDINGS, body, call)
        return _with_dropped(to_embedding_response(answer, request, quirks), dropped)

    async def list_models(self, call: Call) -> tuple[str, ...]:
        """See `SupportsModelDiscovery`."""
        return to_model_ids(await self._exchange("GET", MODELS, b"", call))

    def wants_reasoning_back(self, request: ChatRequest, call: Call) -> ReasoningBack:  # noqa: ARG002 - a fact of the server
        """See `WantsReasoningBack`."""
        quirks = self.quirks(call)
        if quirks.reasoning_details:
            return "always"
        return "with_calls" if quirks.reasoning_needed else "never"

    # --- what other servers do differently

    def quirks(self, call: Call) -> Quirks:  # noqa: ARG002 - other servers choose by deployment
        """Return the facts about the deployment's server."""
        return OPENAI

    def url(self, operation: str, call: Call) -> str:
        """Return where an operation is."""
        return f"{call.deployment.base_url or self.quirks(call).base_url}/{operation}"

    def authorization(self, credential: str, call: Call) -> Header:  # noqa: ARG002 - others choose by deployment
        """Return the header that carries the credential."""
        return (b"authorization", b"Bearer " + credential.encode())

    def chat_body(self, request: ChatRequest, call: Call, *, stream: bool) -> tuple[bytes, tuple[str, ...]]:
        """Return the JSON body and the request fields that were dropped or changed."""
        return to_chat_body(request, call, self.quirks(call), stream=stream)

    def to_result(self, answer: bytes, request: ChatRequest, call: Call) -> Result[ChatCompletion]:
        """Translate a whole answer."""
        return to_chat_completion(
            answer,
            model=request.model,
            answer_id=f"chatcmpl-{call.request_id}",
            created=int(time.time()),
            keep_stop=self.quirks(call).keep_stop,
        )

    def translator(self, request: ChatRequest, call: Call) -> Translator[ChatCompletionChunk]:
        """Return what translates a streamed answer."""
        return ChunkTranslator(
            model=request.model,
            chunk_id=f"chatcmpl-{call.request_id}",
            created=int(time.time()),
            keep_stop=self.quirks(call).keep_stop,
        )

    def to_error(self, failure: Failure) -> ProviderError:
        """Return the error of an answer that is no success."""
        return to_error(failure)

    # --- steps

    def _headers(self, call: Call) -> list[Header]:
        deployment = call.deployment
        headers: list[Header] = [_JSON]
        if deployment.credential is not None and deployment.credential.value:
            headers.append(self.authorization(deployment.credential.value, call))
        elif self.quirks(call).needs_credential:
            raise ProviderError(ErrorKind.CREDENTIALS, "The deployment has no credential.")
        headers += [(name.lower().encode(), value.encode()) for name, value in deployment.headers.items()]
        return headers

    def _send(self, method: str, operation: str, body: bytes, call: Call) -> Awaitable[UpstreamResponse]:
        request = (method, self.url(operation, call), self._headers(call), body)
        return send(self._transport, call, request, self.to_error)

    async def _exchange(self, method: str, operation: str, body: bytes, call: Call) -> bytes:
        return await read_body(await self._send(method, operation, body, call))


class OpenAIAdapter(OpenAIFormatAdapter):
    """OpenAI, and the servers that have its legacy completions too."""

    async def completion(self, request: CompletionRequest, call: Call) -> Result[Completion]:
        """See `SupportsCompletions`."""
        body, dropped = to_completion_body(request, call, self.quirks(call), stream=False)
        answer = await self._exchange("POST", COMPLETIONS, body, call)
        result = to_completion(
            answer, model=request.model, answer_id=f"cmpl-{call.request_id}", created=int(time.time())
        )
        return _with_dropped(result, dropped)

    async def completion_stream(self, request: CompletionRequest, call: Call) -> ChunkStream[Completion]:
        """See `SupportsCompletions`."""
        body, dropped = to_completion_body(request, call, self.quirks(call), stream=True)
        response = await self._send("POST", COMPLETIONS, body, call)
        translator = CompletionTranslator(
            model=request.model, answer_id=f"cmpl-{call.request_id}", created=int(time.time())
        )
        return SseChunkStream(response, translator, dropped)


class RerankingAdapter(OpenAIAdapter):
    """Servers of OpenAI's format that have the operation which OpenAI has not."""

    async def rerank(self, request: RerankRequest, call: Call) -> Result[RerankResponse]:
        """See `SupportsRerank`."""
        body, dropped = to_rerank_body(request, call)
        return to_rerank_result(await self._exchange("POST", RERANK, body, call), request, call, dropped)


def _with_dropped(result: Result[BodyT], dropped: tuple[str, ...]) -> Result[BodyT]:
    return replace(result, dropped_params=dropped) if dropped else result
