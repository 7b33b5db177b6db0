"""The conformance check finds what it is for: each adapter here breaks one rule on purpose."""

import msgspec
import pytest
from msgspec import UNSET

from adapters.base import Deployment, Result, Secret
from adapters.conformance import ConformanceCase, ConformanceError, check
from adapters.conformance.case import Played, PlayedTransport
from adapters.errors import ProviderError, kind_of_status
from adapters.exchange import read_json, send
from adapters.openai import OpenAIAdapter
from schemas.chat_request import ChatRequest
from tests.adapters.test_conformance_all import OPENAI_ERROR, OPENAI_EXCHANGES, data_only, encode, request

TEXT = OPENAI_EXCHANGES["text"]
TOOLS = OPENAI_EXCHANGES["parallel tools"]


def case(adapter: type, exchange=TEXT, **changes) -> ConformanceCase:
    fields, whole, stream = exchange
    deployment = Deployment(
        id="d", model="m", provider="p", adapter="a", upstream_model="u", base_url="https://upstream.example",
        credential=Secret("sk-canary-0123456789"),
    )  # fmt: skip
    values = {
        "name": "broken", "adapter": adapter, "deployment": deployment, "request": request(**fields), "whole": whole,
        "stream": stream, "error_body": encode(OPENAI_ERROR), "error_event": data_only(OPENAI_ERROR),
    }  # fmt: skip
    return ConformanceCase(**{**values, **changes})


class Wrapped:
    """A stream whose batches are changed on their way."""

    def __init__(self, stream, change) -> None:
        self._stream, self._change = stream, change

    def __getattr__(self, name: str):
        return getattr(self._stream, name)

    async def __aiter__(self):
        async for chunks in self._stream:
            yield tuple(self._change(chunks))


def changing(change) -> type:
    class Changing(OpenAIAdapter):
        async def chat_stream(self, request: ChatRequest, call):
            return Wrapped(await super().chat_stream(request, call), change)

    return Changing


def swallow_role(chunks):
    for chunk in chunks:
        for choice in chunk.choices:
            choice.delta.role = UNSET
    return chunks


def new_ids(chunks):
    for position, chunk in enumerate(chunks):
        chunk.id = f"chatcmpl-{position}"
    return chunks


def usage_inside(chunks):
    for chunk in chunks:
        chunk.usage = None
    return chunks


def finish_twice(chunks):
    return [*chunks, *(chunk for chunk in chunks if chunk.choices and chunk.choices[0].finish_reason)]


def sparse_indexes(chunks):
    for chunk in chunks:
        for choice in chunk.choices:
            for call in choice.delta.tool_calls or ():
                call.index += 1
    return chunks


def lose_text(chunks):
    return [chunk for chunk in chunks if chunk.choices and chunk.choices[0].delta.content != "Sunny, "]


@pytest.mark.parametrize(
    ("change", "exchange", "finding"),
    [
        (swallow_role, TEXT, "the role is not in the first chunk"),
        (new_ids, TEXT, "id, model or created change"),
        (usage_inside, TEXT, "a chunk carries usage"),
        (finish_twice, TEXT, "a chunk follows its finish_reason"),
        (sparse_indexes, TOOLS, "begins after 0 calls"),
        (lose_text, TEXT, "content: whole"),
    ],
)
async def test_check_broken_stream_is_found(change, exchange, finding: str) -> None:
    with pytest.raises(ConformanceError, match=finding):
        await check(case(changing(change), exchange))


async def test_check_sound_adapter_passes() -> None:
    await check(case(OpenAIAdapter))


class LeaksTheKey(OpenAIAdapter):
    async def chat(self, request: ChatRequest, call):
        try:
            return await super().chat(request, call)
        except ProviderError as error:
            error.message = f"{error.message} {call.deployment.credential.value}"
            raise


class OtherUsage(OpenAIAdapter):
    async def chat(self, request: ChatRequest, call):
        result: Result = await super().chat(request, call)
        return msgspec.structs.replace(result, usage=msgspec.structs.replace(result.usage, cached_tokens=999))


class BelievesEverything:
    """Decodes without looking: no error object, no terminal event, no error status."""

    def __init__(self, transport) -> None:
        self._inner = OpenAIAdapter(transport)
        self._transport = transport

    async def chat(self, request: ChatRequest, call):
        return await self._inner.chat(request, call)

    async def chat_stream(self, request: ChatRequest, call):
        stream = await self._inner.chat_stream(request, call)
        stream._translator.finish = lambda: ()
        return stream


@pytest.mark.parametrize(
    ("adapter", "finding"),
    [
        (LeaksTheKey, "the message holds the credential"),
        (OtherUsage, "cached_tokens > total"),
        (OtherUsage, "usage: cached_tokens: whole 999"),
        (BelievesEverything, "it ended without an error and is not finished"),
    ],
)
async def test_check_broken_adapter_is_found(adapter: type, finding: str) -> None:
    with pytest.raises(ConformanceError, match=finding):
        await check(case(adapter))


async def test_check_unreleased_response_is_found() -> None:
    class Keeps(OpenAIAdapter):
        async def chat_stream(self, request: ChatRequest, call):
            stream = await super().chat_stream(request, call)

            async def aclose() -> None:
                return

            stream.aclose = aclose
            return stream

    with pytest.raises(ConformanceError, match="not let go"):
        await check(case(Keeps))


async def test_check_other_exceptions_escape_with_their_situation() -> None:
    class Crashes(OpenAIAdapter):
        async def chat(self, request: ChatRequest, call):
            try:
                return await super().chat(request, call)
            except ProviderError:
                raise KeyError("choices") from None

    with pytest.raises(KeyError) as caught:
        await check(case(Crashes))
    assert "while the adapter saw:" in caught.value.__notes__[0]


async def test_check_error_inside_a_200_must_be_noticed() -> None:
    """TRAPS 19."""
    decoder = msgspec.json.Decoder(dict)

    class Blind(OpenAIAdapter):
        async def chat(self, request: ChatRequest, call):
            sound = await OpenAIAdapter(PlayedTransport(Played([TEXT[1]]))).chat(request, call)
            response = await send(self._transport, call, ("POST", "https://x.example", (), b""), to_error)
            await read_json(response, decoder)
            return sound

    with pytest.raises(ConformanceError, match="an error object under status 200: no ProviderError"):
        await check(case(Blind))


def to_error(failure) -> ProviderError:
    return ProviderError(
        kind_of_status(failure.status), "no", status=failure.status, retry_after_s=failure.retry_after_s
    )
