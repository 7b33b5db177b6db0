"""Embeddings of Titan and Cohere by InvokeModel: bodies, several calls at once, tokens, and what is refused."""

import base64
import json
import struct

import pytest

from adapters.base import Secret
from adapters.bedrock import BedrockAdapter
from adapters.conformance.case import JSON_HEADERS, Played, PlayedTransport
from adapters.errors import ErrorKind, ProviderError
from schemas.embeddings import EmbeddingRequest
from tests.adapters.bedrock.translate import CLAUDE, call

TITAN = "amazon.titan-embed-text-v2:0"
TITAN_1 = "amazon.titan-embed-text-v1"
COHERE_3 = "cohere.embed-multilingual-v3"
COHERE_4 = "eu.cohere.embed-v4:0"


def asked(given, **fields) -> EmbeddingRequest:
    return EmbeddingRequest(model="public", input=given, **fields)


def played(body: object, **headers: str) -> tuple[BedrockAdapter, PlayedTransport]:
    transport = PlayedTransport(Played([json.dumps(body).encode()], headers={**JSON_HEADERS, **headers}))
    return BedrockAdapter(transport), transport


async def test_titan_gets_one_text_signed_and_its_tokens_count() -> None:
    adapter, transport = played({"embedding": [0.5, -1.0], "inputTextTokenCount": 7, "embeddingsByType": {}})
    result = await adapter.embeddings(asked("Ulm", dimensions=256, encoding_format="base64", user="u"), call(TITAN))
    (one,) = transport.requests
    assert one.url == "https://bedrock-runtime.us-east-1.amazonaws.com/model/amazon.titan-embed-text-v2%3A0/invoke"
    assert json.loads(one.body) == {"inputText": "Ulm", "dimensions": 256}
    assert b"/us-east-1/bedrock/aws4_request" in dict(one.headers)[b"authorization"]
    assert struct.unpack("<2f", base64.b64decode(str(result.body.data[0].embedding))) == (0.5, -1.0)
    assert (result.usage.prompt_tokens, result.usage.source, result.dropped_params) == (7, "provider", ("user",))
    assert transport.all_released


@pytest.mark.parametrize(
    ("model", "answer", "dimensions"),
    [(COHERE_3, [[0.5], [1.0]], None), (COHERE_4, {"float": [[0.5], [1.0]]}, 512), (COHERE_4, [[0.5], [1.0]], None)],
)
async def test_cohere_answers_in_two_forms_and_counts_in_a_header(model: str, answer, dimensions: int | None) -> None:
    adapter, transport = played({"embeddings": answer, "id": "i"}, **{"x-amzn-bedrock-input-token-count": "9"})
    at = call(model, options={"region": "eu-west-1", "input_type": "search_query", "truncate": "NONE"})
    result = await adapter.embeddings(asked(["a", "b"], dimensions=dimensions), at)
    shortened = {} if dimensions is None else {"output_dimension": dimensions}
    body = {"texts": ["a", "b"], "input_type": "search_query", "truncate": "NONE", **shortened}
    assert json.loads(transport.requests[0].body) == body
    assert [item.embedding for item in result.body.data] == [[0.5], [1.0]]
    assert (result.usage.prompt_tokens, result.usage.source) == (9, "provider")


@pytest.mark.parametrize("told", [{}, {"x-amzn-bedrock-input-token-count": "-1"}])
async def test_tokens_that_are_not_reported_are_estimated(told: dict) -> None:
    adapter, _ = played({"embeddings": [[0.5]]}, **told)
    result = await adapter.embeddings(asked("Ulm im Regen"), call(COHERE_3))
    assert (result.usage.prompt_tokens, result.usage.source) == (3, "estimated")


async def test_cohere_takes_96_texts_a_call() -> None:
    adapter, transport = played({"embeddings": [[float(number)] for number in range(96)]})
    texts = [f"{number}" for number in range(192)]
    result = await adapter.embeddings(asked(texts), call(COHERE_3))
    assert [text for one in transport.requests for text in json.loads(one.body)["texts"]] == texts
    assert [item.index for item in result.body.data] == list(range(192))


async def test_unknown_fields_are_named_or_forwarded_but_replace_nothing_of_the_gateways() -> None:
    adapter, transport = played({"embedding": [0.5], "inputTextTokenCount": 1})
    extra = {"normalize": False, "inputText": "other", "embeddingTypes": ["binary"], "model": "m", "truncate": None}
    dropping = await adapter.embeddings(asked("Ulm"), call(TITAN, extra))
    forwarding = await adapter.embeddings(asked("Ulm"), call(TITAN, extra, extra_params="forward"))
    assert set(dropping.dropped_params) == set(extra)
    assert set(forwarding.dropped_params) == {"inputText", "embeddingTypes", "model"}
    assert [json.loads(one.body) for one in transport.requests] == [
        {"inputText": "Ulm"}, {"inputText": "Ulm", "normalize": False},
    ]  # fmt: skip
    with pytest.raises(ProviderError) as raised:
        await adapter.embeddings(asked("Ulm"), call(TITAN, extra, extra_params="reject"))
    assert (raised.value.kind, raised.value.param) == (ErrorKind.UNSUPPORTED_PARAMETER, "normalize")


@pytest.mark.parametrize(
    ("model", "fields", "kind", "param"),
    [
        (CLAUDE, {}, ErrorKind.INVALID_REQUEST, "model"),
        ("amazon.titan-embed-image-v1", {}, ErrorKind.INVALID_REQUEST, "model"),
        (TITAN_1, {"dimensions": 256}, ErrorKind.UNSUPPORTED_PARAMETER, "dimensions"),
        (COHERE_3, {"dimensions": 256}, ErrorKind.UNSUPPORTED_PARAMETER, "dimensions"),
        (TITAN, {"given": [[1, 2]]}, ErrorKind.INVALID_REQUEST, "input"),
        (TITAN, {"given": []}, ErrorKind.INVALID_REQUEST, "input"),
        (TITAN, {"given": ["a"] * 2049}, ErrorKind.INVALID_REQUEST, "input"),
    ],
)
async def test_what_a_model_does_not_do_is_refused_before_any_call(
    model: str, fields: dict, kind: ErrorKind, param: str
) -> None:
    adapter, transport = played({})
    given = fields.pop("given", "a")
    with pytest.raises(ProviderError) as raised:
        await adapter.embeddings(asked(given, **fields), call(model))
    assert (raised.value.kind, raised.value.param, transport.requests) == (kind, param, [])


@pytest.mark.parametrize(
    "body",
    [
        {}, [], {"embedding": "no"}, {"embeddings": []}, {"embeddings": {"int8": [[1]]}},
        {"embeddings": [[0.5], [1.0]]}, {"message": "no"},
    ],
)  # fmt: skip
@pytest.mark.parametrize("model", [TITAN, COHERE_4])
async def test_answers_without_the_vectors_are_bad_responses(body: object, model: str) -> None:
    adapter, transport = played(body)
    with pytest.raises(ProviderError) as raised:
        await adapter.embeddings(asked("a"), call(model, credential=Secret("a-key")))
    assert raised.value.kind is ErrorKind.BAD_RESPONSE
    assert transport.all_released
