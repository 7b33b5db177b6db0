"""Vertex AI's operations: chooses by the model's publisher and does nothing itself; knows no field of any body."""

from adapters.base import Call, ChunkStream, ReasoningBack, Result
from adapters.errors import ErrorKind, ProviderError
from adapters.media import WebAddress
from adapters.transport import Transport
from adapters.vertex.claude import ClaudeOnVertex
from adapters.vertex.credentials import Credentials
from adapters.vertex.embeddings import embed
from adapters.vertex.endpoint import model_of
from adapters.vertex.gemini import GeminiOnVertex
from adapters.vertex.sender import Sender
from schemas.chat_request import ChatRequest
from schemas.chat_response import ChatCompletion, ChatCompletionChunk
from schemas.embeddings import EmbeddingRequest, EmbeddingResponse


class VertexAdapter:
    """Chat and embeddings with Google's and Anthropic's models. `credentials` are for tests."""

    def __init__(self, transport: Transport, *, credentials: Credentials | None = None) -> None:
        self._sender = Sender(transport, credentials or Credentials(transport))
        self._claude = ClaudeOnVertex(transport, self._sender)
        self._gemini = GeminiOnVertex(transport, self._sender)

    async def chat(self, request: ChatRequest, call: Call) -> Result[ChatCompletion]:
        """See `SupportsChat`."""
        return await self._chatting(call).chat(request, call)

    async def chat_stream(self, request: ChatRequest, call: Call) -> ChunkStream[ChatCompletionChunk]:
        """See `SupportsChat`."""
        return await self._chatting(call).chat_stream(request, call)

    async def embeddings(self, request: EmbeddingRequest, call: Call) -> Result[EmbeddingResponse]:
        """See `SupportsEmbeddings`."""
        if model_of(call.deployment).publisher != "google":
            raise ProviderError(ErrorKind.MODEL_NOT_FOUND, "This model makes no embeddings.", param="model")
        return await embed(request, call, self._sender)

    def needs_content(self, address: WebAddress, call: Call) -> bool:
        """See `NeedsContent`."""
        return self._chatting(call).needs_content(address, call)

    def wants_reasoning_back(self, request: ChatRequest, call: Call) -> ReasoningBack:
        """See `WantsReasoningBack`."""
        return self._chatting(call).wants_reasoning_back(request, call)

    def _chatting(self, call: Call) -> ClaudeOnVertex | GeminiOnVertex:
        return self._claude if model_of(call.deployment).publisher == "anthropic" else self._gemini
