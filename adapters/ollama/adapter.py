"""Ollama's own API over HTTP: URLs, the key and the order of steps; knows no field of any chat body.

Source: https://github.com/ollama/ollama/blob/main/docs/api.md, checked 2026-11-26.
"""

import time
from collections.abc import Callable, Mapping
from typing import Final

import msgspec
from msgspec import Raw

from adapters.base import Call, ChunkStream, Losses, Result
from adapters.errors import ErrorKind, ProviderError
from adapters.exchange import SseChunkStream, read_body, read_json, send
from adapters.media import WebAddress
from adapters.ollama.embeddings import to_embed_request, to_result
from adapters.ollama.errors import to_error
from adapters.ollama.ndjson import LineParser
from adapters.ollama.request import to_chat_request
from adapters.ollama.response import Expected, to_chat_completion
from adapters.ollama.stream import ChunkTranslator
from adapters.transport import Header, Transport, UpstreamResponse
from schemas import ollama as wire
from schemas.chat_request import ChatRequest, CustomTool
from schemas.chat_response import ChatCompletion, ChatCompletionChunk
from schemas.embeddings import EmbeddingRequest, EmbeddingResponse

BASE_URL: Final = "http://127.0.0.1:11434"
_JSON: Final[Header] = (b"content-type", b"application/json")
_ENCODER: Final = msgspec.json.Encoder()
_MODELS: Final = msgspec.json.Decoder(wire.ModelList)
_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])


class OllamaAdapter:
    """Chat, embeddings and the model list. `clock` gives Unix seconds."""

    def __init__(self, transport: Transport, *, clock: Callable[[], float] = time.time) -> None:
        self._transport = transport
        self._clock = clock

    async def chat(self, request: ChatRequest, call: Call) -> Result[ChatCompletion]:
        """See `SupportsChat`."""
        body, dropped = to_body(request, call, stream=False)
        answer = await read_body(await self._post("chat", body, call))
        return to_chat_completion(answer, self._expected(request, call), dropped)

    async def chat_stream(self, request: ChatRequest, call: Call) -> ChunkStream[ChatCompletionChunk]:
        """See `SupportsChat`."""
        body, dropped = to_body(request, call, stream=True)
        response = await self._post("chat", body, call)
        translator = ChunkTranslator(self._expected(request, call))
        return SseChunkStream(response, translator, dropped, parser=LineParser())

    def needs_content(self, address: WebAddress, call: Call) -> bool:
        """See `NeedsContent`: the provider reads no address."""
        del call
        return address.kind == "image"

    async def embeddings(self, request: EmbeddingRequest, call: Call) -> Result[EmbeddingResponse]:
        """See `SupportsEmbeddings`."""
        losses = Losses(call.deployment.extra_params)
        for name in call.extra_params:
            losses.drop(name)
        body = to_embed_request(request, call.deployment, losses)
        answer = await read_body(await self._post("embed", _ENCODER.encode(body), call))
        return to_result(answer, request, len(body.input), losses.dropped)

    async def list_models(self, call: Call) -> tuple[str, ...]:
        """See `SupportsModelDiscovery`: what the server has pulled."""
        response = await send(self._transport, call, ("GET", _url("tags", call), _headers(call), b""), to_error)
        found = await read_json(response, _MODELS)
        names = {model.model or model.name for model in found.models}
        return tuple(sorted(name for name in names if name))

    def _expected(self, request: ChatRequest, call: Call) -> Expected:
        custom = frozenset(tool.custom.name for tool in request.tools or () if isinstance(tool, CustomTool))
        return Expected(
            model=request.model, request_id=call.request_id, created=int(self._clock()), free_text_tools=custom
        )

    async def _post(self, operation: str, body: bytes, call: Call) -> UpstreamResponse:
        request = ("POST", _url(operation, call), [_JSON, *_headers(call)], body)
        return await send(self._transport, call, request, to_error)


def to_body(request: ChatRequest, call: Call, *, stream: bool) -> tuple[bytes, tuple[str, ...]]:
    """Return the JSON body and the request fields that were dropped or changed.

    Where the operator forwards unknown fields, the client's `options` add to those that the hub has names for.
    """
    losses = Losses(call.deployment.extra_params)
    wanted: Mapping[str, Raw] = {}
    for name, value in call.extra_params.items():
        if name == "options" and call.deployment.extra_params == "forward":
            wanted = _options(value)
        else:
            losses.drop(name)
    body = to_chat_request(request, call.deployment, losses, stream=stream)
    encoded = _ENCODER.encode(body)
    if wanted:
        fields = _OBJECT.decode(encoded)
        known = _OBJECT.decode(fields["options"]) if "options" in fields else {}
        encoded = _ENCODER.encode({**fields, "options": {**wanted, **known}})
    return encoded, losses.dropped


def _options(raw: Raw) -> Mapping[str, Raw]:
    try:
        return _OBJECT.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        raise ProviderError(ErrorKind.INVALID_REQUEST, "'options' must be an object.", param="options") from None


def _headers(call: Call) -> list[Header]:
    deployment = call.deployment
    headers: list[Header] = []
    if deployment.credential is not None and deployment.credential.value:
        headers.append((b"authorization", b"Bearer " + deployment.credential.value.encode()))
    return headers + [(name.lower().encode(), value.encode()) for name, value in deployment.headers.items()]


def _url(operation: str, call: Call) -> str:
    """Return where an operation is; operators write the root with `/v1` or `/api`, as other tools do, or without."""
    root = (call.deployment.base_url or BASE_URL).removesuffix("/v1").removesuffix("/api")
    return f"{root}/api/{operation}"
