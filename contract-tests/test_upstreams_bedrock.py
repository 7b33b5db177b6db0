"""Bedrock's mock checks signatures over queries, and takes the forms of the embedding models and no others."""

from collections.abc import AsyncIterator, Iterator

import pytest
from upstreams import Bedrock, Upstream
from upstreams.dialects import bedrock_rules
from upstreams.dialects.bedrock import SIGNING_ID, SIGNING_SECRET
from upstreams.live import vector

from adapters.base import Call, Deployment, Secret
from adapters.bedrock import BedrockAdapter
from adapters.errors import ErrorKind, ProviderError
from adapters.http1 import Http1Transport
from schemas.embeddings import EmbeddingRequest

TITAN = "amazon.titan-embed-text-v2:0"
COHERE = "cohere.embed-english-v3"


@pytest.fixture(name="upstream")
def running() -> Iterator[Upstream]:
    with Upstream(Bedrock()) as upstream:
        yield upstream


@pytest.fixture(name="adapter")
async def built() -> AsyncIterator[BedrockAdapter]:
    transport = Http1Transport()
    yield BedrockAdapter(transport)
    await transport.aclose()


def call(upstream: Upstream, model: str = "", secret: str = SIGNING_SECRET) -> Call:
    deployment = Deployment(
        id="d", model="m", provider="p", adapter="bedrock", upstream_model=model, base_url=upstream.url,
        credential=Secret(f"{SIGNING_ID}:{secret}"), options={"region": "eu-west-1"},
    )  # fmt: skip
    return Call(deployment=deployment, request_id="r", deadline=1e12)


async def test_signed_list_has_every_page(adapter: BedrockAdapter, upstream: Upstream) -> None:
    assert await adapter.list_models(call(upstream)) == (
        "amazon.nova-lite-v1:0", TITAN, "eu.amazon.nova-lite-v1:0", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
    )  # fmt: skip


async def test_list_with_another_signature_is_refused(adapter: BedrockAdapter, upstream: Upstream) -> None:
    with pytest.raises(ProviderError) as raised:
        await adapter.list_models(call(upstream, secret="another-secret"))
    assert raised.value.kind is ErrorKind.CREDENTIALS


@pytest.mark.parametrize("model", [TITAN, COHERE, "eu.cohere.embed-v4:0"])
async def test_embeddings_are_signed_and_their_tokens_counted(
    adapter: BedrockAdapter, upstream: Upstream, model: str
) -> None:
    texts = [f"text {number}" for number in range(100)]
    result = await adapter.embeddings(EmbeddingRequest(model="m", input=texts), call(upstream, model))
    assert [one.embedding for one in result.body.data] == [vector(text, 8) for text in texts]
    assert (result.usage.prompt_tokens, result.usage.source) == (200, "provider")


@pytest.mark.parametrize(
    ("model", "body", "message"),
    [
        (TITAN, {"inputText": "a", "dimensions": 256, "normalize": True}, None),
        (TITAN, {"inputText": "a", "dimensions": 100}, "dimensions"),
        (TITAN, {"inputText": ""}, "minLength"),
        (TITAN, {"texts": ["a"]}, "extraneous key"),
        ("amazon.titan-embed-text-v1", {"inputText": "a", "dimensions": 256}, "extraneous key"),
        (COHERE, {"texts": ["a"], "input_type": "search_query", "truncate": "END"}, None),
        (COHERE, {"texts": ["a"], "input_type": "search_query", "output_dimension": 256}, "extraneous key"),
        (COHERE, {"texts": ["a"], "input_type": "search_query", "truncate": "LEFT"}, "truncate"),
        (COHERE, {"texts": ["a"] * 97, "input_type": "search_query"}, "between 1 and 96"),
        (COHERE, {"texts": ["a"]}, "input_type"),
        ("cohere.embed-v4:0", {"texts": ["a"], "input_type": "clustering", "output_dimension": 256}, None),
        ("amazon.nova-lite-v1:0", {"inputText": "a"}, "does not take this form"),
    ],
)
def test_embedding_rules(model: str, body: dict[str, object], message: str | None) -> None:
    problem = bedrock_rules.embedding_problem(model, body)
    assert (problem is None) if message is None else (message in (problem or ""))
