"""The Gemini API over HTTP: URLs, the key and the order of steps; knows no field of any chat body.

The key travels in `x-goog-api-key`, never in the URL: https://ai.google.dev/api#authentication.
"""

import re
import time
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

import msgspec
from msgspec import Raw

from adapters.base import Call, ChunkStream, Losses, ReasoningBack, Result
from adapters.embeddings import Embedded, embed_batches, texts_of
from adapters.errors import ErrorKind, ProviderError
from adapters.exchange import SseChunkStream, read_body, read_json, send
from adapters.extra_params import folded
from adapters.google import embeddings
from adapters.google.errors import to_error
from adapters.google.list_response import ListResponse
from adapters.google.models import ModelFacts, facts_of
from adapters.google.parts import reads
from adapters.google.request import Translated, to_generate_content
from adapters.google.response import Expected, to_chat_completion
from adapters.google.stream import ChunkTranslator
from adapters.media import WebAddress
from adapters.transport import Header, Transport, UpstreamResponse
from schemas.chat_request import ChatRequest
from schemas.chat_response import ChatCompletion, ChatCompletionChunk
from schemas.embeddings import EmbeddingRequest, EmbeddingResponse
from schemas.google.embeddings import BatchEmbedContentsRequest, ListModelsResponse

BASE_URL: Final = "https://generativelanguage.googleapis.com/v1beta"
MAX_PAGES: Final = 50
_PAGE_SIZE: Final = 1000
JSON_TYPE: Final[Header] = (b"content-type", b"application/json")
_VERSION: Final = re.compile(r"/v\d+[a-z0-9]*$")
_MODEL: Final = re.compile(r"(?:(models|tunedModels)/)?([^/]+)")
_SERVED: Final = frozenset({"generateContent", "embedContent", "batchEmbedContents"})
_ENCODER: Final = msgspec.json.Encoder()
_MODELS_DECODER: Final = msgspec.json.Decoder(ListModelsResponse)
# What the translation writes, as `folded` has it: Google reads names in snake case too. And cached content, which is
# the whole account's: it holds what other callers said.
_TAKEN: Final = frozenset(
    {
        "cachedcontent",
        "content",
        "contents",
        "embedcontentconfig",
        "generationconfig",
        "instances",
        "model",
        "outputdimensionality",
        "parameters",
        "requests",
        "servicetier",
        "systeminstruction",
        "toolconfig",
        "tools",
    }
)


class GoogleAdapter:
    """Chat, embeddings and the model list at generativelanguage.googleapis.com or any base URL."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def chat(self, request: ChatRequest, call: Call) -> Result[ChatCompletion]:
        """See `SupportsChat`."""
        translated, body, dropped = self._translate(request, call)
        response = await self.post("generateContent", body, call)
        return to_chat_completion(await read_body(response), _expected(request, call, translated), dropped)

    async def chat_stream(self, request: ChatRequest, call: Call) -> ChunkStream[ChatCompletionChunk]:
        """See `SupportsChat`."""
        translated, body, dropped = self._translate(request, call)
        response = await self.post("streamGenerateContent?alt=sse", body, call)
        if response.headers.get("content-type", "").startswith("application/json"):
            response = ListResponse(response)
        return SseChunkStream(response, ChunkTranslator(_expected(request, call, translated)), dropped)

    async def embeddings(self, request: EmbeddingRequest, call: Call) -> Result[EmbeddingResponse]:
        """See `SupportsEmbeddings`. More than 100 texts take several requests."""
        losses = losses_of(call)
        wanted = embeddings.to_embed_requests(request, _name_of(call), losses)
        texts = texts_of(request)

        async def embed(start: int) -> Embedded:
            batch = wanted[start : start + embeddings.MAX_BATCH]
            method = "embedContent" if len(wanted) == 1 else "batchEmbedContents"
            body = batch[0] if len(wanted) == 1 else BatchEmbedContentsRequest(requests=batch)
            response = await self.post(method, with_extra(_ENCODER.encode(body), call, losses), call)
            return embeddings.read_vectors(await read_body(response), texts[start : start + len(batch)])

        return await embed_batches(request, range(0, len(wanted), embeddings.MAX_BATCH), embed, call, losses)

    async def list_models(self, call: Call) -> tuple[str, ...]:
        """See `SupportsModelDiscovery`; models that neither chat nor embed are left out."""
        found: set[str] = set()
        token = ""
        for _ in range(MAX_PAGES):
            query = f"?pageSize={_PAGE_SIZE}" + (f"&pageToken={quote(token, safe='')}" if token else "")
            url = f"{_base_url(call)}/models{query}"
            response = await send(self._transport, call, ("GET", url, _headers(call), b""), to_error)
            page = await read_json(response, _MODELS_DECODER)
            for model in page.models or ():
                methods = model.supported_generation_methods
                if methods is None or _SERVED.intersection(methods):
                    found.add(model.name.removeprefix("models/"))
            token = page.next_page_token or ""
            if not token:
                return tuple(sorted(found))
        raise ProviderError(ErrorKind.BAD_RESPONSE, "The provider's model list does not end.")

    def needs_content(self, address: WebAddress, call: Call) -> bool:
        """See `NeedsContent`."""
        return not reads(address.url, address.kind, self.facts(call))

    def wants_reasoning_back(self, request: ChatRequest, call: Call) -> ReasoningBack:  # noqa: ARG002 - it thinks unasked
        """See `WantsReasoningBack`: thought signatures, demanded with calls from the third generation on."""
        return "never" if self.facts(call).thinking == "none" else "always"

    def facts(self, call: Call) -> ModelFacts:
        """Return what the model takes here; for platforms that serve the same models differently."""
        return facts_of(call.deployment.upstream_model, call.deployment.options)

    async def post(self, method: str, body: bytes, call: Call) -> UpstreamResponse:
        """Call a method of the model; for platforms with other URLs and credentials."""
        url = f"{_base_url(call)}/{_resource(call)}:{method}"
        return await send(self._transport, call, ("POST", url, [JSON_TYPE, *_headers(call)], body), to_error)

    def _translate(self, request: ChatRequest, call: Call) -> tuple[Translated, bytes, tuple[str, ...]]:
        losses = losses_of(call)
        translated = to_generate_content(request, call.deployment, losses, self.facts(call))
        body = with_extra(_ENCODER.encode(translated.body), call, losses)
        return translated, body, losses.dropped


def losses_of(call: Call) -> Losses:
    """Return the losses that the client's unknown fields are, where the operator does not forward them."""
    losses = Losses(call.deployment.extra_params)
    for name in call.extra_params:
        if call.deployment.extra_params != "forward" or folded(name) in _TAKEN:
            losses.drop(name)
    return losses


def with_extra(body: bytes, call: Call, losses: Losses) -> bytes:
    """Add the client's unknown fields where the operator forwards them; what the translation writes is not replaced."""
    if call.deployment.extra_params != "forward":
        return body
    extra: Mapping[str, Raw] = {name: value for name, value in call.extra_params.items() if name not in losses.dropped}
    return body[:-1] + b"," + _ENCODER.encode(extra)[1:] if extra else body


def _expected(request: ChatRequest, call: Call, translated: Translated) -> Expected:
    deployment = call.deployment
    return Expected(
        model=request.model,
        request_id=call.request_id,
        created=int(time.time()),
        names=translated.names,
        searches_charged_each=facts_of(deployment.upstream_model, deployment.options).generation >= 3,
    )


def _headers(call: Call) -> list[Header]:
    credential = call.deployment.credential
    if credential is None:
        raise ProviderError(ErrorKind.CREDENTIALS, "The deployment has no credential.")
    headers: list[Header] = [(b"x-goog-api-key", credential.value.encode())]
    headers += [(name.encode(), value.encode()) for name, value in call.deployment.headers.items()]
    return headers


def _base_url(call: Call) -> str:
    base_url = call.deployment.base_url or BASE_URL
    return base_url if _VERSION.search(base_url) else f"{base_url}/v1beta"


def _name_of(call: Call) -> str:
    """Return the model's resource name, `models/...`; raises `ProviderError` where it cannot be one."""
    found = _MODEL.fullmatch(call.deployment.upstream_model)
    if found is None or found[2] in {".", ".."}:
        raise ProviderError(ErrorKind.MODEL_NOT_FOUND, "The provider has no model of this name.", param="model")
    return f"{found[1] or 'models'}/{found[2]}"


def _resource(call: Call) -> str:
    """Return the model's path in the URL."""
    collection, _, name = _name_of(call).partition("/")
    return f"{collection}/{quote(name, safe='')}"
