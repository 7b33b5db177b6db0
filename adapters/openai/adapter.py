"""OpenAI's API over HTTP: URLs, credentials and the order of steps; knows no field of any body."""

import time
from typing import Final

from adapters.base import Call, ChunkStream, Result
from adapters.errors import ErrorKind, ProviderError
from adapters.exchange import SseChunkStream, send
from adapters.openai.errors import to_error
from adapters.openai.quirks import OPENAI, Quirks
from adapters.openai.request import to_chat_body
from adapters.openai.response import to_chat_completion
from adapters.openai.stream import ChunkTranslator
from adapters.transport import Header, Transport, UpstreamResponse
from schemas.chat_request import ChatRequest
from schemas.chat_response import ChatCompletion, ChatCompletionChunk

CHAT: Final = "/chat/completions"
_JSON: Final[Header] = (b"content-type", b"application/json")


class OpenAIAdapter:
    """Chat at api.openai.com or at any base URL that the operator gives."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def chat(self, request: ChatRequest, call: Call) -> Result[ChatCompletion]:
        """See `SupportsChat`."""
        quirks = self._quirks(call)
        body, dropped = to_chat_body(request, call, stream=False)
        response = await self._post(CHAT, body, call)
        result = to_chat_completion(
            await _read(response),
            model=request.model,
            answer_id=f"chatcmpl-{call.request_id}",
            created=int(time.time()),
            keep_stop=quirks.keep_stop,
        )
        return _with_dropped(result, dropped)

    async def chat_stream(self, request: ChatRequest, call: Call) -> ChunkStream[ChatCompletionChunk]:
        """See `SupportsChat`."""
        quirks = self._quirks(call)
        body, dropped = to_chat_body(request, call, stream=True)
        response = await self._post(CHAT, body, call)
        translator = ChunkTranslator(
            model=request.model,
            chunk_id=f"chatcmpl-{call.request_id}",
            created=int(time.time()),
            keep_stop=quirks.keep_stop,
        )
        return SseChunkStream(response, translator, dropped)

    def _quirks(self, call: Call) -> Quirks:  # noqa: ARG002 - other servers choose by deployment
        return OPENAI

    def _url(self, operation: str, call: Call) -> str:
        return (call.deployment.base_url or self._quirks(call).base_url) + operation

    def _headers(self, call: Call) -> list[Header]:
        credential = call.deployment.credential
        if credential is None:
            raise ProviderError(ErrorKind.CREDENTIALS, "The deployment has no credential.")
        return [(b"authorization", b"Bearer " + credential.value.encode())]

    async def _post(self, operation: str, body: bytes, call: Call) -> UpstreamResponse:
        headers = [_JSON, *self._headers(call)]
        headers += [(name.encode(), value.encode()) for name, value in call.deployment.headers.items()]
        return await send(self._transport, call, ("POST", self._url(operation, call), headers, body), to_error)


async def _read(response: UpstreamResponse) -> bytes:
    try:
        return await response.read()
    finally:
        await response.aclose()


def _with_dropped(result: Result[ChatCompletion], dropped: tuple[str, ...]) -> Result[ChatCompletion]:
    if not dropped:
        return result
    return Result(
        body=result.body,
        usage=result.usage,
        upstream_id=result.upstream_id,
        upstream_model=result.upstream_model,
        native_finish_reason=result.native_finish_reason,
        dropped_params=dropped,
    )
