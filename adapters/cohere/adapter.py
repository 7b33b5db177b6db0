"""Cohere's API over HTTP: URLs, the key and the order of steps; knows no field of any chat body.

Source: https://docs.cohere.com/reference/about. Chat, embeddings and reranking are API v2; the model list has only v1.
"""

import time
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import quote

import msgspec
from msgspec import Raw

from adapters.base import Call, ChunkStream, Losses, Result
from adapters.cohere import embeddings, rerank
from adapters.cohere.errors import to_error
from adapters.cohere.request import to_chat_request
from adapters.cohere.response import Expected, to_chat_completion
from adapters.cohere.stream import ChunkTranslator
from adapters.cohere.usage import counts_billed_units
from adapters.embeddings import Embedded, embed_batches
from adapters.errors import ErrorKind, ProviderError
from adapters.exchange import SseChunkStream, read_body, read_json, send
from adapters.media import WebAddress
from adapters.tool_names import ToolNames
from adapters.transport import Header, Transport, UpstreamResponse
from schemas import cohere as wire
from schemas.chat_request import ChatRequest
from schemas.chat_response import ChatCompletion, ChatCompletionChunk
from schemas.embeddings import EmbeddingRequest, EmbeddingResponse
from schemas.rerank import RerankRequest, RerankResponse

BASE_URL: Final = "https://api.cohere.com"
MAX_PAGES: Final = 50
_PAGE_SIZE: Final = 1000
_JSON: Final[Header] = (b"content-type", b"application/json")
_SERVED: Final = frozenset({"chat", "embed", "rerank"})
_ENCODER: Final = msgspec.json.Encoder()
_PAGE: Final = msgspec.json.Decoder(wire.ModelPage)
# Fields of the body that the client's unknown fields may not replace, where the operator forwards those.
_CHAT_FIELDS: Final = frozenset(wire.ChatRequest.__struct_fields__) - {"citation_options", "documents", "safety_mode"}
_EMBED_FIELDS: Final = frozenset(wire.EmbedRequest.__struct_fields__) - embeddings.FORWARDED
_RERANK_FIELDS: Final = frozenset(wire.RerankRequest.__struct_fields__)
_FIELDS: Final = msgspec.json.Decoder(dict[str, Raw])


class CohereAdapter:
    """Chat, embeddings, reranking and the model list. `clock` gives Unix seconds."""

    def __init__(self, transport: Transport, *, clock: Callable[[], float] = time.time) -> None:
        self._transport = transport
        self._clock = clock

    async def chat(self, request: ChatRequest, call: Call) -> Result[ChatCompletion]:
        """See `SupportsChat`."""
        body, expected, dropped = self._translate(request, call, stream=False)
        response = await self._post("/v2/chat", body, call)
        return to_chat_completion(await read_body(response), expected, dropped)

    async def chat_stream(self, request: ChatRequest, call: Call) -> ChunkStream[ChatCompletionChunk]:
        """See `SupportsChat`."""
        body, expected, dropped = self._translate(request, call, stream=True)
        response = await self._post("/v2/chat", body, call)
        return SseChunkStream(response, ChunkTranslator(expected), dropped)

    def needs_content(self, address: WebAddress, call: Call) -> bool:
        """See `NeedsContent`: the provider reads images at their addresses, and files not at all."""
        del call
        return address.kind != "image"

    async def embeddings(self, request: EmbeddingRequest, call: Call) -> Result[EmbeddingResponse]:
        """See `SupportsEmbeddings`. More than 96 texts take several requests."""
        losses, extra = _extra(call, _EMBED_FIELDS)

        async def embed(body: wire.EmbedRequest) -> Embedded:
            response = await self._post("/v2/embed", _with_extra(_ENCODER.encode(body), extra), call)
            return embeddings.read_vectors(await read_body(response), body.texts)

        return await embed_batches(request, embeddings.to_embed_requests(request, call, losses), embed, call, losses)

    async def rerank(self, request: RerankRequest, call: Call) -> Result[RerankResponse]:
        """See `SupportsRerank`."""
        losses, extra = _extra(call, _RERANK_FIELDS)
        body = rerank.to_rerank_request(request, call, losses)
        response = await self._post("/v2/rerank", _with_extra(_ENCODER.encode(body), extra), call)
        return rerank.to_result(await read_body(response), request, call, losses.dropped)

    async def list_models(self, call: Call) -> tuple[str, ...]:
        """See `SupportsModelDiscovery`; models that neither chat, embed nor rerank are left out."""
        found: set[str] = set()
        token = ""
        for _ in range(MAX_PAGES):
            query = f"?page_size={_PAGE_SIZE}" + (f"&page_token={quote(token, safe='')}" if token else "")
            url = f"{_base_url(call)}/v1/models{query}"
            response = await send(self._transport, call, ("GET", url, _headers(call), b""), to_error)
            page = await read_json(response, _PAGE)
            for model in page.models or ():
                if model.name and (model.endpoints is None or _SERVED.intersection(model.endpoints)):
                    found.add(model.name)
            token = page.next_page_token or ""
            if not token:
                return tuple(sorted(found))
        raise ProviderError(ErrorKind.BAD_RESPONSE, "The provider's model list does not end.")

    def _translate(self, request: ChatRequest, call: Call, *, stream: bool) -> tuple[bytes, Expected, tuple[str, ...]]:
        losses, extra = _extra(call, _CHAT_FIELDS)
        translated = to_chat_request(request, call.deployment, losses, stream=stream)
        if translated.body.documents and extra.pop("documents", None):
            losses.drop("documents")  # the files of the messages are the documents
        body = _with_extra(_ENCODER.encode(translated.body), extra)
        return body, self._expected(request, call, translated.names), losses.dropped

    def _expected(self, request: ChatRequest, call: Call, names: ToolNames) -> Expected:
        return Expected(
            model=request.model,
            request_id=call.request_id,
            created=int(self._clock()),
            names=names,
            billed=counts_billed_units(call.deployment.options),
        )

    async def _post(self, path: str, body: bytes, call: Call) -> UpstreamResponse:
        url = f"{_base_url(call)}{path}"
        return await send(self._transport, call, ("POST", url, [_JSON, *_headers(call)], body), to_error)


def _extra(call: Call, taken: frozenset[str]) -> tuple[Losses, dict[str, Raw]]:
    """Return the client's unknown fields that the operator forwards; the others are named as lost."""
    losses = Losses(call.deployment.extra_params)
    is_open = call.deployment.extra_params == "forward"
    extra = {name: value for name, value in call.extra_params.items() if is_open and name not in taken}
    for name in call.extra_params:
        if name not in extra:
            losses.drop(name)
    return losses, extra


def _with_extra(body: bytes, extra: Mapping[str, Raw]) -> bytes:
    return _ENCODER.encode({**_FIELDS.decode(body), **extra}) if extra else body


def _headers(call: Call) -> list[Header]:
    deployment = call.deployment
    headers: list[Header] = []
    if deployment.credential is not None:
        headers.append((b"authorization", b"Bearer " + deployment.credential.value.encode()))
    elif not deployment.base_url:
        raise ProviderError(ErrorKind.CREDENTIALS, "The deployment has no credential.")
    return headers + [(name.encode(), value.encode()) for name, value in deployment.headers.items()]


def _base_url(call: Call) -> str:
    """Return the root; operators write it with or without a version, as the provider's tools differ in it."""
    base_url = call.deployment.base_url or BASE_URL
    return base_url.removesuffix("/v2").removesuffix("/v1")
