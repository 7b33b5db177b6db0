"""Bedrock's APIs over HTTP: URLs, credentials and the order of steps; knows no field of any body.

Source: https://docs.aws.amazon.com/bedrock/latest/userguide/inference-api.html and .../api-keys-use.html, checked
2026-11-24; https://docs.aws.amazon.com/general/latest/gr/bedrock.html (the control plane's addresses), 2026-11-27.
"""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, urlsplit

import msgspec

from adapters.anthropic.reasoning import may_think
from adapters.base import Call, ChunkStream, Losses, ReasoningBack, Result
from adapters.bedrock import listing
from adapters.bedrock.embeddings import Batch, read_vectors, to_batches
from adapters.bedrock.errors import to_error
from adapters.bedrock.event_stream import EventStreamParser
from adapters.bedrock.models import traits_of
from adapters.bedrock.request import Translation, to_converse
from adapters.bedrock.response import Head, to_result
from adapters.bedrock.signing import Scope, parse_credentials, sign
from adapters.bedrock.stream import ConverseToChunks
from adapters.chunks import ChunkBuilder
from adapters.embeddings import Embedded, embed_batches
from adapters.errors import ErrorKind, ProviderError
from adapters.exchange import SseChunkStream, read_body, read_json, send
from adapters.media import WebAddress
from adapters.transport import Transport, UpstreamResponse
from schemas.bedrock.listing import ModelList, ProfilePage, ProfileSummary
from schemas.chat_request import ChatRequest
from schemas.chat_response import ChatCompletion, ChatCompletionChunk
from schemas.embeddings import EmbeddingRequest, EmbeddingResponse

BASE_URL: Final = "https://bedrock-runtime.{region}.amazonaws.com"
SERVICE: Final = "bedrock"
"""In signatures: the same for models and for the control plane."""
_MAX_MODEL_CHARS: Final = 2048
_REGION: Final = re.compile(r"[a-z0-9-]{1,40}")
_MODELS: Final = msgspec.json.Decoder(ModelList)
_PROFILES: Final = msgspec.json.Decoder(ProfilePage)
_RUNTIME_HOST: Final = re.compile(r"^(https://)bedrock-runtime((?:-fips)?\.[a-z0-9-]+\.(?:amazonaws\.|api\.aws))")
_REGION_OF_HOST: Final = re.compile(r"bedrock-runtime(?:-fips)?\.([a-z0-9-]+)\.")


class BedrockAdapter:
    """Chat, embeddings and the list of models.

    `clock` gives Unix seconds; signatures are good for five minutes around the provider's own.
    """

    def __init__(self, transport: Transport, *, clock: Callable[[], float] = time.time) -> None:
        self._transport = transport
        self._clock = clock

    async def chat(self, request: ChatRequest, call: Call) -> Result[ChatCompletion]:
        """See `SupportsChat`."""
        translation = to_converse(request, call)
        response = await self._post("converse", translation, call)
        data = await read_body(response)
        head = Head(answer_id=_answer_id(call), model=request.model, created=int(self._clock()))
        return to_result(data, response.headers, translation, head)

    async def chat_stream(self, request: ChatRequest, call: Call) -> ChunkStream[ChatCompletionChunk]:
        """See `SupportsChat`."""
        translation = to_converse(request, call)
        response = await self._post("converse-stream", translation, call)
        builder = ChunkBuilder(chunk_id=_answer_id(call), model=request.model, created=int(self._clock()))
        translator = ConverseToChunks(translation, builder, response.headers.get("x-amzn-requestid"))
        return SseChunkStream(response, translator, translation.dropped, parser=EventStreamParser())

    async def embeddings(self, request: EmbeddingRequest, call: Call) -> Result[EmbeddingResponse]:
        """See `SupportsEmbeddings`. What a model does not take at once is several calls."""
        losses = Losses(call.deployment.extra_params)
        url = _model_url("invoke", call)

        async def embed(batch: Batch) -> Embedded:
            response = await self._send("POST", url, batch.body, call)
            return read_vectors(await read_body(response), response.headers, batch)

        return await embed_batches(request, to_batches(request, call, losses), embed, call, losses)

    async def list_models(self, call: Call) -> tuple[str, ...]:
        """See `SupportsModelDiscovery`: models and inference profiles that answer in text or in vectors."""
        root = _control_url(call)
        models = await read_json(await self._send("GET", root + listing.MODELS_PATH, b"", call), _MODELS)
        profiles: list[ProfileSummary] = []
        token = ""
        for _ in range(listing.MAX_PAGES):
            response = await self._send("GET", root + listing.profiles_path(token), b"", call)
            page = await read_json(response, _PROFILES)
            profiles += page.inference_profile_summaries or ()
            token = page.next_token or ""
            if not token:
                return listing.callable_ids(models, profiles)
        raise ProviderError(ErrorKind.BAD_RESPONSE, "The provider's list of inference profiles does not end.")

    def needs_content(self, address: WebAddress, call: Call) -> bool:
        """See `NeedsContent`: the provider fetches nothing from the web."""
        del address, call
        return True

    def wants_reasoning_back(self, request: ChatRequest, call: Call) -> ReasoningBack:
        """See `WantsReasoningBack`: signed reasoning, where the model reasons."""
        return "always" if may_think(request, traits_of(call.deployment).facts) else "never"

    async def _post(self, operation: str, translation: Translation, call: Call) -> UpstreamResponse:
        return await self._send("POST", _model_url(operation, call), translation.encode(), call)

    async def _send(self, method: str, url: str, body: bytes, call: Call) -> UpstreamResponse:
        headers = {"content-type": "application/json"} if body else {}
        headers |= {name.lower(): value for name, value in call.deployment.headers.items()}
        headers |= self._authorization(method, url, body, call)
        sent = [(name.encode(), value.encode()) for name, value in headers.items()]
        return await send(self._transport, call, (method, url, sent, body), to_error)

    def _authorization(self, method: str, url: str, body: bytes, call: Call) -> dict[str, str]:
        """Return the headers that authorise a request: a signature, or the API key."""
        credential = call.deployment.credential
        if credential is None:
            raise ProviderError(ErrorKind.CREDENTIALS, "The deployment has no credential.")
        credentials = parse_credentials(credential.value)
        if credentials is None:
            return {"authorization": f"Bearer {credential.value}"}
        region = _region(call)
        if region is None:
            raise ProviderError(ErrorKind.CREDENTIALS, "The deployment needs the option 'region' to sign requests.")
        scope = Scope(region=region, service=SERVICE)
        at = datetime.fromtimestamp(self._clock(), UTC)
        return sign(method, url, body, credentials=credentials, scope=scope, at=at)


def _region(call: Call) -> str | None:
    """Return the region that the operator names, else the one in the host's name; None where neither says it."""
    region = call.deployment.options.get("region")
    if region is None:
        found = _REGION_OF_HOST.match(urlsplit(call.deployment.base_url).hostname or "")
        return found[1] if found is not None else None
    if not _REGION.fullmatch(region):
        raise ProviderError(ErrorKind.SERVER_ERROR, "The deployment's option 'region' is no AWS region.")
    return region


def _base_url(call: Call) -> str:
    if call.deployment.base_url:
        return call.deployment.base_url
    region = _region(call)
    if region is None:
        raise ProviderError(ErrorKind.SERVER_ERROR, "The deployment needs the option 'region', or a base URL.")
    return BASE_URL.format(region=region)


def _control_url(call: Call) -> str:
    """Return the root of the control plane: AWS has it at another host, whoever stands in for AWS at the same one."""
    return _RUNTIME_HOST.sub(r"\1bedrock\2", _base_url(call))


def _model_url(operation: str, call: Call) -> str:
    return f"{_base_url(call)}/model/{_model_path(call)}/{operation}"


def _model_path(call: Call) -> str:
    """Return the model id or ARN as one segment of a path; raises `ProviderError` where it cannot be one."""
    model = call.deployment.upstream_model
    if not model or len(model) > _MAX_MODEL_CHARS or model in {".", ".."}:
        raise ProviderError(ErrorKind.MODEL_NOT_FOUND, "The provider has no model of this name.", param="model")
    try:
        return quote(model, safe="")
    except UnicodeEncodeError:
        raise ProviderError(
            ErrorKind.MODEL_NOT_FOUND, "The provider has no model of this name.", param="model"
        ) from None


def _answer_id(call: Call) -> str:
    return f"chatcmpl-{call.request_id}"
