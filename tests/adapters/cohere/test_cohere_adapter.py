"""What goes over the wire to Cohere, and what its embeddings, model lists and failures become."""

import base64
import json
import struct

import pytest
from msgspec import Raw

from adapters.base import Call
from adapters.cohere import CohereAdapter
from adapters.cohere.usage import to_usage
from adapters.conformance.case import Played, PlayedTransport
from adapters.errors import ErrorKind, ProviderError
from schemas.embeddings import EmbeddingRequest
from tests.adapters.cohere import exchanges
from tests.adapters.cohere.translate import Streamed, answered, deployment, request


def new_call(*, extra: dict | None = None, **fields) -> Call:
    extra_params = {name: Raw(json.dumps(value).encode()) for name, value in (extra or {}).items()}
    return Call(deployment=deployment(**fields), request_id="r-1", deadline=1e12, extra_params=extra_params)


def played(body: bytes, status: int = 200, **headers: str) -> tuple[CohereAdapter, PlayedTransport]:
    transport = PlayedTransport(Played([body], status, headers))
    return CohereAdapter(transport, clock=lambda: 1_700_000_000.5), transport


async def failure(status: int, body: bytes, **headers: str) -> ProviderError:
    adapter, transport = played(body, status, **headers)
    with pytest.raises(ProviderError) as raised:
        await adapter.chat(request(), new_call())
    assert transport.all_released
    return raised.value


# --- requests


@pytest.mark.parametrize(
    ("base_url", "expected"),
    [
        ("", "https://api.cohere.com/v2/chat"),
        ("https://api.cohere.com/v2", "https://api.cohere.com/v2/chat"),
        ("http://inside.example/cohere/v1", "http://inside.example/cohere/v2/chat"),
    ],
)
async def test_adapter_base_url_with_or_without_version_reaches_v2(base_url: str, expected: str) -> None:
    adapter, transport = played(exchanges.whole(exchanges.text("Sunny.")))
    result = await adapter.chat(request(), new_call(base_url=base_url, headers={"x-client-name": "a"}))
    sent = transport.requests[0]
    assert (sent.method, sent.url) == ("POST", expected)
    assert (b"authorization", b"Bearer canary-0123456789") in sent.headers
    assert (b"x-client-name", b"a") in sent.headers
    assert (result.body.created, result.body.id, result.upstream_id) == (1_700_000_000, "chatcmpl-r-1", "answer-1")


async def test_adapter_without_credential_is_refused_only_at_cohere_itself() -> None:
    adapter, _ = played(exchanges.whole())
    with pytest.raises(ProviderError) as raised:
        await adapter.chat(request(), new_call(credential=None))
    assert raised.value.kind == ErrorKind.CREDENTIALS
    await adapter.chat(request(), new_call(credential=None, base_url="http://inside.example"))


async def test_adapter_unknown_fields_are_named_or_forwarded_without_replacing_its_own() -> None:
    extra = {"documents": ["Ulm is sunny."], "safety_mode": "OFF", "messages": [], "priority": 3}
    adapter, transport = played(exchanges.whole())
    result = await adapter.chat(request(), new_call(extra=extra))
    assert set(result.dropped_params) == set(extra)
    options = {"safety_mode": "STRICT"}
    result = await adapter.chat(request(), new_call(extra=extra, extra_params="forward", options=options))
    body = json.loads(transport.requests[1].body)
    assert (body["documents"], body["safety_mode"], body["priority"]) == (["Ulm is sunny."], "OFF", 3)
    assert len(body["messages"]) == 1
    assert result.dropped_params == ("messages",)


# --- answers


async def test_usage_counts_tokens_with_images_or_what_is_billed_as_the_operator_wants() -> None:
    tokens = {"input_tokens": 34.0, "output_tokens": 56.0, "reasoning_tokens": 0, "image_tokens": 259}
    usage = {"billed_units": {"input_tokens": 267, "output_tokens": 52}, "tokens": tokens, "cached_tokens": 0}
    adapter, _ = played(exchanges.whole(exchanges.text("A jackal."), usage=usage))
    found = (await adapter.chat(request(), new_call())).usage
    assert (found.prompt_tokens, found.prompt_image_tokens, found.completion_tokens) == (293, 259, 56)
    assert (found.cached_tokens, found.reasoning_tokens, found.violations()) == (0, 0, ())
    found = (await adapter.chat(request(), new_call(options={"usage": "billed"}))).usage
    assert (found.prompt_tokens, found.completion_tokens, found.cached_tokens) == (267, 52, None)
    with pytest.raises(ProviderError):
        await adapter.chat(request(), new_call(options={"usage": "guessed"}))


@pytest.mark.parametrize("count", [-1, 0.5e300, "9"])
def test_usage_counter_that_is_no_count_is_a_bad_response(count: object) -> None:
    usage = {"tokens": {"input_tokens": count, "output_tokens": 1}}
    with pytest.raises(ProviderError) as raised:
        answered(exchanges.whole(usage=usage))
    assert raised.value.kind == ErrorKind.BAD_RESPONSE


@pytest.mark.parametrize(("reason", "kind"), [("ERROR", "server_error"), ("TIMEOUT", "timeout")])
def test_finish_reason_of_a_failure_raises_whole_and_streamed(reason: str, kind: str) -> None:
    with pytest.raises(ProviderError) as raised:
        answered(exchanges.whole(exchanges.text("Sun"), finish=reason))
    assert raised.value.kind == kind
    streamed = Streamed(exchanges.stream(exchanges.text("Sun"), finish=reason))
    assert streamed.error is not None
    assert (streamed.error.kind, streamed.translator.native_finish_reason) == (kind, reason)
    assert not streamed.translator.finished


@pytest.mark.parametrize(
    ("native", "expected"),
    [("ERROR_TOXIC", "content_filter"), ("ERROR_LIMIT", "length"), ("USER_CANCEL", "stop"), ("TOOL_CALL", "stop")],
)
def test_finish_reason_without_calls_is_one_of_openai_s(native: str, expected: str) -> None:
    result = answered(exchanges.whole(exchanges.text("Sun"), finish=native))
    assert (result.body.choices[0].finish_reason, result.native_finish_reason) == (expected, native)


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"{}", b'{"message":null}', b'{"message":{"content":"x"}}',
     b'{"message":{"tool_calls":[{"id":"c"}]}}', b'{"message":{"citations":[{"sources":[7]}]}}', b"[" * 100_000],
)  # fmt: skip
def test_answer_that_is_no_chat_is_a_bad_response(body: bytes) -> None:
    with pytest.raises(ProviderError) as raised:
        answered(body)
    assert raised.value.kind == ErrorKind.BAD_RESPONSE


@pytest.mark.parametrize(
    "event",
    [
        {"type": "tool-call-delta", "index": 3, "delta": {"message": {"tool_calls": {"function": {"arguments": "x"}}}}},
        {"type": "tool-call-start", "index": 0, "delta": {"message": {"tool_calls": {"id": "c"}}}},
        {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": 7}}}},
        {"type": "message-end", "delta": {"usage": 7}},
    ],
)
def test_stream_event_that_makes_no_sense_is_a_bad_response(event: dict) -> None:
    error = Streamed(exchanges.named(event)).error
    assert error is not None
    assert error.kind == ErrorKind.BAD_RESPONSE


def test_stream_that_ends_with_an_error_in_its_last_event_raises_it() -> None:
    event = {"type": "message-end", "delta": {"finish_reason": "ERROR", "error": "engine failed"}}
    error = Streamed(exchanges.named(event)).error
    assert error is not None
    assert (error.kind, error.message) == (ErrorKind.SERVER_ERROR, "engine failed")


# --- failures


@pytest.mark.parametrize(
    ("status", "message", "kind", "param"),
    [
        (400, "invalid request: message must be at least 1 token long", "invalid_request", None),
        (400, "too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 4292.",
         "context_length", "messages"),
        (400, "too many tokens: size limit exceeded by 11326 tokens.", "context_length", "messages"),
        (400, "too many tokens: max tokens must be less than or equal to 4096, the maximum output for this model",
         "invalid_request", "max_completion_tokens"),
        (400, "invalid request: model 'x' is not supported by the chat API", "model_not_found", None),
        (401, "invalid api token", "credentials", None),
        (402, "Please add or update your payment method", "credentials", None),
        (404, "model 'x' not found, make sure the correct model ID was used", "model_not_found", None),
        (422, "invalid type: parameter p is of type string", "invalid_request", None),
        (429, "You are using a Trial key, which is limited to 10 API calls / minute.", "rate_limit", None),
        (498, "deny-listed token", "content_policy", None),
        (499, "request cancelled by user", "connection", None),
        (500, "internal server error, this has been reported to our developers.", "server_error", None),
        (501, "not implemented", "invalid_request", None),
        (503, "all replicas are busy", "overloaded", None),
        (504, "timed out", "timeout", None),
    ],
)  # fmt: skip
async def test_failure_status_and_words_decide_the_kind(status: int, message: str, kind: str, param: str) -> None:
    body = exchanges.encode({"id": "e-1", "message": message})
    error = await failure(status, body, **{"retry-after": "7"})
    assert (error.kind, error.param, error.status) == (kind, param, status)
    assert (error.message, error.retry_after_s, error.upstream_request_id) == (message, 7.0, "e-1")


@pytest.mark.parametrize("body", [b"", b"<html>busy</html>", b'"x"', b'{"message":{"a":1}}', b"[" * 50_000])
async def test_failure_without_readable_body_keeps_the_status(body: bytes) -> None:
    error = await failure(503, body, **{"x-debug-trace-id": "t-1"})
    assert (error.kind, error.status, error.upstream_request_id) == (ErrorKind.OVERLOADED, 503, "t-1")


@pytest.mark.parametrize(
    ("message", "kind"), [("engine failed", "server_error"), ("too many tokens: in the prompt", "context_length")]
)
def test_failure_inside_a_success_is_raised_whole_and_streamed(message: str, kind: str) -> None:
    body = exchanges.encode({"id": "e-1", "message": message})
    with pytest.raises(ProviderError) as raised:
        answered(body)
    assert raised.value.kind == kind
    for stream in (b"data: " + body + b"\n\n", body):  # as an event, and as a document in the place of the stream
        error = Streamed(stream).error
        assert error is not None
        assert error.kind == kind


def test_stream_that_came_as_a_whole_answer_is_a_bad_response() -> None:
    error = Streamed(exchanges.whole(exchanges.text("Sunny."))).error
    assert error is not None
    assert error.kind == ErrorKind.BAD_RESPONSE


# --- embeddings


def embed_body(*vectors: list[float], meta: dict | None = None) -> bytes:
    answer = {"id": "e", "embeddings": {"float": list(vectors)}, "texts": [], "response_type": "embeddings_by_type"}
    return exchanges.encode({**answer, **({} if meta is None else {"meta": meta})})


BILLED = {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 7, "image_tokens": 0}}


async def test_embeddings_options_and_dimensions_are_sent_and_base64_is_float32() -> None:
    adapter, transport = played(embed_body([0.5, -1.0], meta=BILLED))
    asked = EmbeddingRequest(model="public", input="Ulm", dimensions=2, encoding_format="base64", user="u")
    result = await adapter.embeddings(asked, new_call(upstream_model="embed-v4.0", options={"truncate": "END"}))
    assert json.loads(transport.requests[0].body) == {
        "model": "embed-v4.0", "texts": ["Ulm"], "input_type": "search_document", "embedding_types": ["float"],
        "output_dimension": 2, "truncate": "END",
    }  # fmt: skip
    assert transport.requests[0].url == "https://api.cohere.com/v2/embed"
    assert struct.unpack("<2f", base64.b64decode(str(result.body.data[0].embedding))) == (0.5, -1.0)
    assert (result.usage.prompt_tokens, result.usage.source, result.dropped_params) == (7, "provider", ("user",))


async def test_embeddings_input_type_is_the_option_s_or_the_client_s_where_forwarded() -> None:
    adapter, transport = played(embed_body([0.5], meta=BILLED))
    asked = EmbeddingRequest(model="public", input="Ulm")
    extra = {"input_type": "search_query", "texts": [], "priority": 1}
    options = {"input_type": "clustering"}
    result = await adapter.embeddings(asked, new_call(options=options, extra=extra))
    assert set(result.dropped_params) == set(extra)
    result = await adapter.embeddings(asked, new_call(options=options, extra=extra, extra_params="forward"))
    bodies = [json.loads(sent.body) for sent in transport.requests]
    assert [body["input_type"] for body in bodies] == ["clustering", "search_query"]
    assert (bodies[1]["texts"], bodies[1]["priority"], result.dropped_params) == (["Ulm"], 1, ("texts",))
    with pytest.raises(ProviderError) as raised:
        await adapter.embeddings(asked, new_call(extra={"input_type": 7}, extra_params="forward"))
    assert (raised.value.kind, raised.value.param) == (ErrorKind.INVALID_REQUEST, "input_type")


async def test_embeddings_of_many_texts_take_several_requests_in_order() -> None:
    texts = [str(number) for number in range(192)]
    adapter, transport = played(embed_body(*([float(number)] for number in range(96)), meta=BILLED))
    result = await adapter.embeddings(EmbeddingRequest(model="public", input=texts), new_call())
    assert [text for sent in transport.requests for text in json.loads(sent.body)["texts"]] == texts
    assert [item.index for item in result.body.data] == list(range(192))
    assert (result.usage.prompt_tokens, result.body.usage.prompt_tokens) == (14, 14)


async def test_embeddings_without_counters_are_estimated() -> None:
    adapter, _ = played(embed_body([0.5]))
    result = await adapter.embeddings(EmbeddingRequest(model="public", input="Ulm im Regen"), new_call())
    assert (result.usage.prompt_tokens, result.usage.source) == (3, "estimated")


@pytest.mark.parametrize("given", [[1, 2], [[1], [2]], []])
async def test_embeddings_of_tokens_or_nothing_are_refused(given: list) -> None:
    adapter, transport = played(embed_body([0.5]))
    with pytest.raises(ProviderError) as raised:
        await adapter.embeddings(EmbeddingRequest(model="public", input=given), new_call())
    assert (raised.value.kind, raised.value.param, transport.requests) == (ErrorKind.INVALID_REQUEST, "input", [])


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (embed_body([0.5], [0.5]), "bad_response"),
        (embed_body([1e300]), "bad_response"),
        (b'{"embeddings":{}}', "bad_response"),
        (b"<html>", "bad_response"),
        (b'{"message":"engine failed"}', "server_error"),
    ],
)
async def test_embeddings_answer_of_another_form_is_an_error(body: bytes, kind: str) -> None:
    adapter, _ = played(body)
    with pytest.raises(ProviderError) as raised:
        await adapter.embeddings(EmbeddingRequest(model="public", input="a", encoding_format="base64"), new_call())
    assert raised.value.kind == kind


# --- models


async def test_models_of_all_pages_that_chat_embed_or_rerank_are_listed() -> None:
    adapter, transport = played(
        exchanges.encode(
            {
                "models": [
                    {"name": "embed-v4.0", "endpoints": ["embed"]},
                    {"name": "rerank-v3.5", "endpoints": ["rerank"]},
                    {"name": "an-old-one", "endpoints": ["classify"]},
                    {"name": "command-a-03-2025", "endpoints": ["chat"]},
                ],
                "next_page_token": None,
            }
        )
    )
    assert await adapter.list_models(new_call()) == ("command-a-03-2025", "embed-v4.0", "rerank-v3.5")
    assert (transport.requests[0].method, transport.requests[0].url) == (
        "GET", "https://api.cohere.com/v1/models?page_size=1000",
    )  # fmt: skip


async def test_models_list_without_end_is_a_bad_response() -> None:
    adapter, transport = played(b'{"models":[],"next_page_token":"a/b"}')
    with pytest.raises(ProviderError) as raised:
        await adapter.list_models(new_call())
    assert raised.value.kind == ErrorKind.BAD_RESPONSE
    assert transport.requests[1].url.endswith("&page_token=a%2Fb")
    assert len(transport.requests) == 50


def test_usage_has_the_units_that_are_billed_beside_or_instead_of_tokens() -> None:
    searched = to_usage(Raw(b'{"billed_units": {"search_units": 2}}'))
    assert searched is not None
    assert (searched.queries, searched.prompt_tokens) == (2, None)
    pictured = to_usage(Raw(b'{"billed_units": {"images": 3, "input_tokens": 1}, "tokens": {"input_tokens": 9}}'))
    assert pictured is not None
    assert (pictured.images, pictured.prompt_tokens) == (3, 9)


def test_citation_of_a_later_block_stands_where_its_words_do_in_the_whole_text() -> None:
    content = [exchanges.text("Hello. "), exchanges.text("Sunny.")]
    cited = exchanges.cites(0, 5, 1, type="document", id="d", document={"url": "https://a.example/"})

    (annotation,) = answered(exchanges.whole(*content, citations=[cited])).body.choices[0].message.annotations
    streamed = Streamed(exchanges.stream(*content, citations=[cited]))
    (told,) = [one for delta in streamed.deltas for one in delta.get("annotations") or ()]

    places = (annotation.url_citation.start_index, annotation.url_citation.end_index)
    assert "Hello. Sunny."[slice(*places)] == "Sunny"
    assert (told["url_citation"]["start_index"], told["url_citation"]["end_index"]) == places
