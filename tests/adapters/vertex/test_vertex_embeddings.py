"""Both embedding methods of Vertex AI, in batches."""

import json

import msgspec
import pytest

from adapters.errors import ProviderError
from adapters.vertex import VertexAdapter
from adapters.vertex.embeddings import MAX_BATCH, method_of
from schemas.embeddings import EmbeddingRequest
from tests.adapters.vertex.vertex_fixtures import Scripted, call_of, deployment


def predicted(*vectors: list, tokens: float | None = 3) -> dict:
    statistics = {} if tokens is None else {"statistics": {"token_count": tokens, "truncated": False}}
    return {"predictions": [{"embeddings": {"values": vector, **statistics}} for vector in vectors]}


async def embedded(model: str, transport: Scripted, **fields):
    wanted = EmbeddingRequest(model="public", **fields)
    result = await VertexAdapter(transport).embeddings(wanted, call_of(deployment(model)))
    assert transport.all_released
    return result


@pytest.mark.parametrize(
    ("model", "method"),
    [
        ("text-embedding-005", "predict"),
        ("text-multilingual-embedding-002", "predict"),
        ("gemini-embedding-001", "predict"),
        ("gemini-embedding-exp-03-07", "predict"),
        ("gemini-embedding-2", "embedContent"),
    ],
)
def test_method_of_model_is_the_one_that_serves_it(model: str, method: str) -> None:
    assert method_of(model) == method


async def test_predict_takes_texts_together_and_adds_their_tokens() -> None:
    transport = Scripted(predicted([0.5], [1.5], tokens=3.0))
    result = await embedded("text-embedding-005", transport, input=["a", "b"], dimensions=1, user="u")
    sent = transport.requests[0]
    assert sent.url.endswith("/publishers/google/models/text-embedding-005:predict")
    assert json.loads(sent.body) == {
        "instances": [{"content": "a"}, {"content": "b"}],
        "parameters": {"autoTruncate": False, "outputDimensionality": 1},
    }
    body = json.loads(msgspec.json.encode(result.body))
    assert [(one["index"], one["embedding"]) for one in body["data"]] == [(0, [0.5]), (1, [1.5])]
    assert body["usage"] == {"prompt_tokens": 6, "total_tokens": 6}
    assert (result.usage.source, result.dropped_params) == ("provider", ("user",))


async def test_predict_of_gemini_takes_one_text_at_a_time() -> None:
    transport = Scripted(predicted([0.5]), predicted([1.5], tokens=None))
    result = await embedded("gemini-embedding-001", transport, input=["a", "b"])
    assert [len(json.loads(sent.body)["instances"]) for sent in transport.requests] == [1, 1]
    assert (result.usage.source, result.usage.prompt_tokens) == ("provider_partial", 4)


async def test_predict_splits_by_count_and_by_length() -> None:
    texts = ["a"] * (MAX_BATCH + 1) + ["b" * 39_999, "c", "d" * 50_000, "e"]
    counts = [MAX_BATCH, 2, 1, 1, 1]
    transport = Scripted(*(predicted(*[[float(count)]] * count) for count in counts))
    result = await embedded("text-embedding-005", transport, input=texts)
    assert [len(json.loads(sent.body)["instances"]) for sent in transport.requests] == counts
    assert len(result.body.data) == len(texts)


async def test_embed_content_takes_one_text_and_reports_its_tokens() -> None:
    transport = Scripted({"embedding": {"values": [0.5]}, "usageMetadata": {"promptTokenCount": 11}})
    result = await embedded("gemini-embedding-2", transport, input="a")
    assert transport.requests[0].url.endswith("/models/gemini-embedding-2:embedContent")
    assert json.loads(transport.requests[0].body) == {
        "content": {"role": "user", "parts": [{"text": "a"}]},
        "embedContentConfig": {"autoTruncate": False},
    }
    assert result.usage.prompt_tokens == 11


@pytest.mark.parametrize("body", [b"", b"{", {}, predicted(), predicted([1], [2]), {"predictions": [{"x": 1}]}, b"[]"])
async def test_answer_that_is_none_is_a_bad_response(body: object) -> None:
    with pytest.raises(ProviderError) as caught:
        await embedded("text-embedding-005", Scripted(body), input="a")
    assert caught.value.kind == "bad_response"


async def test_error_inside_an_answer_is_an_error() -> None:
    error = {"error": {"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED"}}
    with pytest.raises(ProviderError) as caught:
        await embedded("text-embedding-005", Scripted(error), input="a")
    assert caught.value.kind == "rate_limit"


async def test_claude_makes_no_embeddings() -> None:
    with pytest.raises(ProviderError) as caught:
        await embedded("claude-sonnet-4-5", Scripted(), input="a")
    assert caught.value.kind == "model_not_found"
