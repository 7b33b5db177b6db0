"""Anthropic's API over HTTP: URLs, credentials and the order of steps; knows no field of any body.

Source: https://platform.claude.com/docs/en/api/overview, checked 2026-11-24. The API version is 2023-06-01: the newer
2026-10-21 differs in that it refuses `temperature`, `top_p` and `top_k` for models that know them.
"""

import time
from collections.abc import Callable
from typing import Final
from urllib.parse import quote

import msgspec

from adapters.anthropic.consumed import Consumed
from adapters.anthropic.continuation import MAX_ROUNDS, TurnRecorder, continued
from adapters.anthropic.errors import to_error
from adapters.anthropic.models import facts_of
from adapters.anthropic.paused_stream import PausedStream
from adapters.anthropic.reasoning import may_think
from adapters.anthropic.request import Translation, to_messages_request
from adapters.anthropic.response import Answer
from adapters.anthropic.stream import MessagesToChunks
from adapters.base import Call, ChunkStream, ReasoningBack, Result
from adapters.chunks import ChunkBuilder
from adapters.errors import ErrorKind, ProviderError
from adapters.exchange import SseChunkStream, read_body, read_json, send
from adapters.transport import Header, Transport, UpstreamResponse
from schemas.anthropic.response import ModelPage
from schemas.chat_request import ChatRequest
from schemas.chat_response import ChatCompletion, ChatCompletionChunk

BASE_URL: Final = "https://api.anthropic.com"
VERSION: Final = "2023-06-01"
MAX_PAGES: Final = 20
_PAGE: Final = msgspec.json.Decoder(ModelPage)


class AnthropicAdapter:
    """Chat and model discovery. `clock` gives Unix seconds."""

    def __init__(self, transport: Transport, *, clock: Callable[[], float] = time.time) -> None:
        self._transport = transport
        self._clock = clock

    async def chat(self, request: ChatRequest, call: Call) -> Result[ChatCompletion]:
        """See `SupportsChat`. A turn that the provider pauses is continued, at most `MAX_ROUNDS` rounds in all."""
        translation = self.translate(request, call, stream=False)
        answer = Answer(translation)
        with Consumed(call) as consumed:
            for _ in range(MAX_ROUNDS):
                blocks = answer.add(await read_body(await self.post(translation, call)))
                if blocks is None or not translation.may_pause:
                    break
                consumed.add(answer.round_usage)
                translation = continued(translation, blocks)
        return answer.result(answer_id=_answer_id(call), model=request.model, created=int(self._clock()))

    async def chat_stream(self, request: ChatRequest, call: Call) -> ChunkStream[ChatCompletionChunk]:
        """See `SupportsChat`."""
        translation = self.translate(request, call, stream=True)
        response = await self.post(translation, call)
        builder = ChunkBuilder(chunk_id=_answer_id(call), model=request.model, created=int(self._clock()))
        if not translation.may_pause:
            return SseChunkStream(response, MessagesToChunks(translation, builder), translation.dropped)
        recorder = TurnRecorder()
        translator = MessagesToChunks(translation, builder, recorder)

        async def go_on(current: Translation) -> UpstreamResponse:
            return await self.post(current, call)

        return PausedStream(response, translator, recorder, translation, go_on)

    def wants_reasoning_back(self, request: ChatRequest, call: Call) -> ReasoningBack:
        """See `WantsReasoningBack`: signed thinking, where the model thinks."""
        return "always" if may_think(request, facts_of(call.deployment)) else "never"

    async def list_models(self, call: Call) -> tuple[str, ...]:
        """See `SupportsModelDiscovery`."""
        found: set[str] = set()
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            after = f"&after_id={quote(cursor, safe='')}" if cursor is not None else ""
            url = f"{_base_url(call)}/v1/models?limit=1000{after}"
            response = await send(self._transport, call, ("GET", url, _headers(call, ()), b""), to_error)
            page = await read_json(response, _PAGE)
            found.update(model.id for model in page.data)
            if not page.has_more or page.last_id in {None, cursor}:
                break
            cursor = page.last_id
        return tuple(sorted(found))

    def translate(self, request: ChatRequest, call: Call, *, stream: bool) -> Translation:
        """Return what to send; for platforms that take it in another form."""
        return to_messages_request(request, call, stream=stream)

    async def post(self, translation: Translation, call: Call) -> UpstreamResponse:
        """Send a request; for platforms with other URLs and credentials."""
        headers = [(b"content-type", b"application/json"), *_headers(call, translation.betas)]
        url = f"{_base_url(call)}/v1/messages"
        return await send(self._transport, call, ("POST", url, headers, translation.encode()), to_error)


def _base_url(call: Call) -> str:
    """Return the root; operators write it with or without the version, as the provider's tools differ in it."""
    return (call.deployment.base_url or BASE_URL).removesuffix("/v1")


def _headers(call: Call, betas: tuple[str, ...]) -> list[Header]:
    """Return all headers but the content type; the operator's own come last and win."""
    deployment = call.deployment
    headers = {"anthropic-version": deployment.options.get("anthropic_version", VERSION)}
    if deployment.credential is not None:
        headers["x-api-key"] = deployment.credential.value
    elif not deployment.base_url:
        raise ProviderError(ErrorKind.CREDENTIALS, "The deployment has no credential.")
    headers |= own_headers(call, betas)
    return [(name.encode(), value.encode()) for name, value in headers.items()]


def own_headers(call: Call, betas: tuple[str, ...]) -> dict[str, str]:
    """Return the operator's headers, their names in lower case, with the betas that the request needs."""
    own = {name.lower(): value for name, value in call.deployment.headers.items()}
    named = [*betas, *(beta.strip() for beta in own.pop("anthropic-beta", "").split(",") if beta.strip())]
    if named:
        own["anthropic-beta"] = ",".join(dict.fromkeys(named))
    return own


def _answer_id(call: Call) -> str:
    return f"chatcmpl-{call.request_id}"
