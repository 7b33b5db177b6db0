"""The stage before translation where content takes the place of addresses that a provider does not read itself.

It stands around an adapter, so that a gateway that fetches nothing has no stage at all. What is fetched lives as long
as the attempt.
"""

import asyncio
import base64
import logging
from typing import Final, Literal, Protocol, runtime_checkable

from msgspec.structs import replace

from adapters.base import Call, ChunkStream, Deployment, Result, SupportsChat
from adapters.errors import ErrorKind, ProviderError
from adapters.media import NeedsContent, WebAddress, web_addresses, with_contents
from aqueduct.media.fetch import Budget, Fetcher, FetchError, to_provider_error
from schemas.chat_request import ChatRequest
from schemas.chat_response import ChatCompletion, ChatCompletionChunk

MAX_PARTS: Final = 20
OPTION: Final = "fetch_media"
Scope = Literal["providers", "all"]
logger = logging.getLogger("aqueduct")


@runtime_checkable
class FetchingAdapter(SupportsChat, NeedsContent, Protocol):
    """An adapter that can do with content what it cannot do with an address."""


class ChatWithContents:
    """An adapter's chat with the content fetched. `scope`: the providers whose option says so, or all but those.

    A model's own setting goes before its provider's.
    """

    def __init__(self, adapter: FetchingAdapter, fetcher: Fetcher, scope: Scope) -> None:
        self._adapter = adapter
        self._fetcher = fetcher
        self._usual = "true" if scope == "all" else "false"

    async def chat(self, request: ChatRequest, call: Call) -> Result[ChatCompletion]:
        """See `SupportsChat`."""
        return await self._adapter.chat(await self._filled(request, call), call)

    async def chat_stream(self, request: ChatRequest, call: Call) -> ChunkStream[ChatCompletionChunk]:
        """See `SupportsChat`."""
        return await self._adapter.chat_stream(await self._filled(request, call), call)

    async def _filled(self, request: ChatRequest, call: Call) -> ChatRequest:
        wanted = [one for one in web_addresses(request.messages) if self._adapter.needs_content(one, call)]
        if not wanted or not self._is_on(call.deployment):
            return request
        if len(wanted) > MAX_PARTS:
            message = f"A request may name at most {MAX_PARTS} addresses whose content has to be fetched."
            raise ProviderError(ErrorKind.INVALID_REQUEST, message, param=wanted[MAX_PARTS].path)
        budget = Budget(self._fetcher.bounds.max_bytes)
        try:
            async with asyncio.timeout_at(call.deadline), asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._content(one, budget)) for one in wanted]
        except ExceptionGroup as failed:
            error = failed.exceptions[0]
            logger.info("media_not_fetched request_id=%s param=%s", call.request_id, getattr(error, "param", None))
            raise error from None
        except TimeoutError:
            raise ProviderError(ErrorKind.TIMEOUT, "The request's time ended before its media had arrived.") from None
        contents = {one.path: task.result() for one, task in zip(wanted, tasks, strict=True)}
        return replace(request, messages=with_contents(request.messages, contents))

    def _is_on(self, deployment: Deployment) -> bool:
        if deployment.fetch_media is not None:
            return deployment.fetch_media
        return deployment.options.get(OPTION, self._usual) == "true"

    async def _content(self, address: WebAddress, budget: Budget) -> str:
        """Return a `data:` URL."""
        try:
            media_type, data = await self._fetcher.fetch(address.url, address.kind, budget)
        except FetchError as error:
            raise to_provider_error(error, address.path) from None
        return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"
