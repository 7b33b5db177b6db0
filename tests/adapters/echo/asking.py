"""Questions to the echo model, and how its answers are read."""

import asyncio
import json

import msgspec
import pytest

from adapters.base import Call, Deployment
from adapters.conformance.fold import said_chunks, said_whole
from adapters.echo import EchoAdapter
from adapters.errors import ProviderError
from schemas.chat_request import ChatRequest

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def new_call(*, deadline_s: float = 10, options=None, extra=None, **changes) -> Call:
    deployment = Deployment(
        id="d", model="m", provider="p", adapter="echo", upstream_model="echo-1", options=options or {}, **changes
    )
    deadline = asyncio.get_running_loop().time() + deadline_s
    return Call(deployment=deployment, request_id="req-1", deadline=deadline, extra_params=extra or {})


def ask(text: str = "Hello, world!", **fields) -> ChatRequest:
    body = {"model": "m", "messages": [{"role": "user", "content": text}], **fields}
    return msgspec.json.decode(json.dumps(body), type=ChatRequest)


async def read_all(stream) -> list:
    return [chunk async for chunks in stream for chunk in chunks]


async def read_until_error(stream) -> tuple[list, ProviderError]:
    seen = []
    try:
        async for chunks in stream:
            seen += chunks
    except ProviderError as error:
        return seen, error
    pytest.fail("the stream did not fail")


async def said(echo: EchoAdapter, request: ChatRequest, **call):
    """What the first choice says, the same whole and streamed."""
    result = await echo.chat(request, new_call(**call))
    stream = await echo.chat_stream(request, new_call(**call))
    whole, streamed = said_whole(result.body), said_chunks(await read_all(stream))
    assert whole == streamed
    assert result.usage == stream.usage
    return whole[0], result


async def error_of(awaitable) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await awaitable
    return caught.value
