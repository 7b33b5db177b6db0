"""Texts that a provider does not embed in one call: order, calls at once, failures, and what was consumed."""

import asyncio
import json
from collections.abc import Callable

import pytest

from adapters import registry
from adapters.base import Call, Deployment, Losses, Secret, SupportsEmbeddings
from adapters.conformance.case import Played, PlayedResponse, PlayedTransport
from adapters.embeddings import CALLS_AT_ONCE, Vector, embed_batches
from adapters.errors import ErrorKind, ProviderError
from adapters.transport import Request
from schemas.embeddings import EmbeddingRequest
from schemas.usage import Usage


def call_of(adapter: str = "any", on_abandoned: Callable[[Usage], None] | None = None, **fields) -> Call:
    base = {"id": "d", "model": "public", "provider": "p", "adapter": adapter, "upstream_model": "up"}
    deployment = Deployment(**{**base, "credential": Secret("ya29.canary-0123456789"), **fields})
    return Call(deployment=deployment, request_id="r", deadline=9e9, on_abandoned=on_abandoned)


class Provider:
    """Embeds numbers as vectors, the later ones first; what is marked fails or is never answered."""

    def __init__(self) -> None:
        self.asked = self.at_once = self.most = 0

    async def embed(self, texts: list[str]) -> tuple[list[Vector], Usage]:
        self.asked += 1
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        if texts == ["hold"]:
            await asyncio.Event().wait()
        for _ in range(0 if texts[0] in {"0", "fail"} else 3):
            await asyncio.sleep(0)
        self.at_once -= 1
        if texts == ["fail"]:
            raise ProviderError(ErrorKind.RATE_LIMIT, "Too many", status=429)
        return [[float(text)] for text in texts], Usage(prompt_tokens=2)

    async def embedded(self, texts: list[str], call: Call):
        request, losses = EmbeddingRequest(model="public", input=texts, user="u"), Losses("drop")
        losses.drop("user")
        return await embed_batches(request, [[text] for text in texts], self.embed, call, losses)


async def test_batches_come_back_in_order_from_a_bounded_number_of_calls_at_once() -> None:
    provider = Provider()
    result = await provider.embedded([str(number) for number in range(30)], call_of())
    assert [item.embedding for item in result.body.data] == [[float(number)] for number in range(30)]
    assert provider.most == CALLS_AT_ONCE
    assert (result.usage.prompt_tokens, result.body.usage.prompt_tokens, result.usage.source) == (60, 60, "provider")
    assert result.dropped_params == ("user",)


async def test_first_failure_ends_the_other_calls_and_says_what_was_consumed() -> None:
    provider = Provider()
    texts = ["0", "fail", "1", "2", *["hold"] * 11]
    with pytest.raises(ProviderError) as raised:
        await asyncio.wait_for(provider.embedded(texts, call_of()), 5)
    assert (raised.value.kind, raised.value.usage) == (ErrorKind.RATE_LIMIT, Usage(prompt_tokens=2))
    assert provider.asked <= CALLS_AT_ONCE + 2


async def test_single_call_that_fails_has_consumed_nothing() -> None:
    with pytest.raises(ProviderError) as raised:
        await Provider().embedded(["fail"], call_of())
    assert raised.value.usage is None


async def test_calls_that_nobody_waits_for_tell_what_was_consumed() -> None:
    told: list[Usage] = []
    work = asyncio.create_task(Provider().embedded(["0", "1", "hold"], call_of(on_abandoned=told.append)))
    for _ in range(50):
        await asyncio.sleep(0)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert told == [Usage(prompt_tokens=4)]


class FailsLater(PlayedTransport):
    """Answers the first request, and refuses the others."""

    def __init__(self, first: dict) -> None:
        super().__init__(None)
        self.first = first

    async def send(self, request: Request) -> PlayedResponse:
        self.requests.append(request)
        failed = len(self.requests) > 1
        response = PlayedResponse(
            Played([b"{}" if failed else json.dumps(self.first).encode()], 429 if failed else 200)
        )
        self.responses.append(response)
        return response


PREDICTED = {"embeddings": {"values": [0.5], "statistics": {"token_count": 1}}}


@pytest.mark.parametrize(
    ("adapter", "model", "texts", "first", "consumed"),
    [
        ("bedrock", "amazon.titan-embed-text-v2:0", 2, {"embedding": [0.5], "inputTextTokenCount": 7}, 7),
        (
            "cohere",
            "embed-v4.0",
            97,
            {"embeddings": {"float": [[0.5]] * 96}, "meta": {"billed_units": {"input_tokens": 7}}},
            7,
        ),
        (
            "google",
            "gemini-embedding-001",
            101,
            {"embeddings": [{"values": [0.5]}] * 100, "usageMetadata": {"promptTokenCount": 7}},
            7,
        ),
        ("vertex", "text-embedding-005", 101, {"predictions": [PREDICTED] * 100}, 100),
    ],
)
async def test_failure_of_a_later_batch_says_what_the_earlier_consumed(
    adapter: str, model: str, texts: int, first: dict, consumed: int
) -> None:
    transport = FailsLater(first)
    made = registry.build(adapter, transport)
    assert isinstance(made, SupportsEmbeddings)
    options = {"region": "eu-west-1", "project": "p", "location": "global"}
    with pytest.raises(ProviderError) as raised:
        await made.embeddings(
            EmbeddingRequest(model="public", input=["a"] * texts),
            call_of(adapter, upstream_model=model, options=options),
        )
    assert raised.value.kind is ErrorKind.RATE_LIMIT
    assert raised.value.usage is not None
    assert raised.value.usage.prompt_tokens == consumed
    assert transport.all_released
