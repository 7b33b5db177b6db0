"""What an answer becomes: ids, signatures, citations, finish reasons, usage, media and failures."""

import json

import msgspec
import pytest
from msgspec import UNSET
from msgspec.structs import replace

from adapters.base import Call
from adapters.conformance.case import Played, PlayedTransport
from adapters.errors import ProviderError
from adapters.exchange import Failure
from adapters.google import GoogleAdapter
from adapters.google.errors import to_error
from adapters.google.response import to_chat_completion
from adapters.google.stream import ChunkTranslator
from adapters.google.usage import to_usage
from adapters.sse import Event
from schemas.usage import Usage
from tests.adapters.google import exchanges
from tests.adapters.google.exchanges import SIGNATURE, call, text
from tests.adapters.google.translate import EXPECTED, answered, deployment, request


def message_of(*parts: dict, **end) -> dict:
    return json.loads(msgspec.json.encode(answered(exchanges.whole(*parts, **end)).body.choices[0].message))


def test_answer_keeps_legal_ids_and_mints_the_others_alike_every_time() -> None:
    parts = [call("f", "x8i00o1q"), call("f"), call("f", "x" * 65), call("f", "x8i00o1q")]
    ids = [one["id"] for one in message_of(*parts)["tool_calls"]]
    assert ids[0] == "x8i00o1q"
    assert len(set(ids)) == 4
    assert all(one.startswith("call_") and len(one) == 29 for one in ids[1:])
    assert ids == [one["id"] for one in message_of(*parts)["tool_calls"]]


def test_answer_signature_stands_on_the_call_and_in_the_details() -> None:
    message = message_of(call("f", "c1", SIGNATURE, city="Ulm"), call("g", "c2"))
    first, second = message["tool_calls"]
    assert first["extra_content"] == {"google": {"thought_signature": SIGNATURE}}
    assert "extra_content" not in second
    assert first["function"] == {"name": "f", "arguments": '{"city":"Ulm"}'}
    assert message["reasoning_details"] == [
        {"type": "reasoning.encrypted", "id": "c1", "format": "google-gemini-v1", "index": 0, "data": SIGNATURE}
    ]
    assert message["content"] is None


def test_answer_signature_of_a_text_stands_on_the_message() -> None:
    message = message_of(text("Hm.", thought=True), text("Sunny.", thoughtSignature=SIGNATURE))
    assert message["extra_content"] == {"google": {"thought_signature": SIGNATURE}}
    assert message["reasoning"] == message["reasoning_content"] == "Hm."
    assert message["content"] == "Sunny."


def test_answer_sources_are_cited_in_characters_not_bytes() -> None:
    metadata = {
        "groundingChunks": [
            {"web": {"uri": "https://a.example", "title": "A"}},
            {"maps": {"uri": "https://m.example"}},
        ],
        "groundingSupports": [
            {"segment": {"startIndex": 7, "endIndex": 14}, "groundingChunkIndices": [0, 1]},
            {"segment": {"startIndex": 90, "endIndex": 99, "text": "Grüße"}, "groundingChunkIndices": [0]},
        ],
    }
    message = message_of(text("Grüße "), text("Sonne."), groundingMetadata=metadata)
    cited = [annotation["url_citation"] for annotation in message["annotations"]]
    assert [(one["start_index"], one["end_index"], one["url"], one["title"]) for one in cited] == [
        (5, 12, "https://a.example", "A"),
        (5, 12, "https://m.example", "https://m.example"),
        (0, 5, "https://a.example", "A"),
    ]


REPEATED = {"endIndex": 6, "uri": "https://a.example/poem", "license": "mit"}
SECOND = {"startIndex": 10, "endIndex": 16, "uri": "https://b.example", "title": "B"}
WITHOUT_ADDRESS = {"startIndex": 0, "endIndex": 5, "license": "mit"}
CITED = [(0, 4, "https://a.example/poem", "https://a.example/poem"), (8, 14, "https://b.example", "B")]


def stretches(annotations: list[dict]) -> list[tuple[int, int, str, str]]:
    cited = [annotation["url_citation"] for annotation in annotations]
    return [(one["start_index"], one["end_index"], one["url"], one["title"]) for one in cited]


@pytest.mark.parametrize("spelling", ["citationSources", "citations"])
def test_answer_that_repeats_a_source_cites_it(spelling: str) -> None:
    metadata = {spelling: [REPEATED, WITHOUT_ADDRESS, SECOND]}
    message = message_of(text("Grüß "), text("di Sonne."), citationMetadata=metadata)
    assert stretches(message["annotations"]) == CITED


@pytest.mark.parametrize(
    "told",
    [
        [[REPEATED, SECOND], None],
        [[REPEATED], [SECOND]],  # each event tells its own
        [[REPEATED], [REPEATED, SECOND]],  # each event tells all so far
        [[REPEATED, SECOND], []],
    ],
)
async def test_stream_cites_every_source_that_any_event_names_once(told: list) -> None:
    events = [
        {"content": {"role": "model", "parts": [text(said)]}}
        | ({} if sources is None else {"citationMetadata": {"citationSources": sources}})
        for said, sources in zip(["Grüß di", " Sonne."], told, strict=True)
    ]
    events[-1]["finishReason"] = "STOP"
    body = b"".join(exchanges.event({"candidates": [one], **exchanges.HEAD}) for one in events)
    adapter = GoogleAdapter(PlayedTransport(Played([body], headers={"content-type": "text/event-stream"})))
    stream = await adapter.chat_stream(request(), Call(deployment=deployment(), request_id="r", deadline=1e12))
    deltas = [chunk.choices[0].delta async for chunks in stream for chunk in chunks if chunk.choices]
    found = [json.loads(msgspec.json.encode(item)) for delta in deltas for item in delta.annotations or ()]
    assert stretches(found) == CITED


def test_answer_image_stands_beside_the_text() -> None:
    image = {"inlineData": {"mimeType": "image/png", "data": "aW1hZ2U="}}
    message = message_of(text("Here:"), image)
    assert message["content"] == "Here:"
    assert message["images"] == [
        {"image_url": {"url": "data:image/png;base64,aW1hZ2U="}, "index": 0, "type": "image_url"}
    ]


@pytest.mark.parametrize(
    ("native", "expected"),
    [
        ("STOP", "stop"),
        (1, "stop"),
        ("MAX_TOKENS", "length"),
        (2, "length"),
        *((reason, "content_filter") for reason in ("SAFETY", "RECITATION", "BLOCKLIST", "SPII", "LANGUAGE")),
        *((reason, "content_filter") for reason in ("PROHIBITED_CONTENT", "IMAGE_SAFETY", "MODEL_ARMOR", 3)),
        ("NEW_REASON", "stop"),
    ],
)
def test_answer_finish_reason_is_one_of_openais(native: str | int, expected: str) -> None:
    result = answered(exchanges.whole(text("x"), finish=native))
    assert result.body.choices[0].finish_reason == expected
    assert result.native_finish_reason == {1: "STOP", 2: "MAX_TOKENS", 3: "SAFETY"}.get(native, native)


@pytest.mark.parametrize(
    "native",
    ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "MISSING_THOUGHT_SIGNATURE", "OTHER", "NO_IMAGE", 9],
)
def test_answer_failed_reason_is_the_providers_error(native: str | int) -> None:
    with pytest.raises(ProviderError) as caught:
        answered(exchanges.whole(text("x"), finish=native))
    assert caught.value.kind == "server_error"
    assert caught.value.code == ("MALFORMED_FUNCTION_CALL" if native == 9 else native)


def test_answer_blocked_prompt_is_a_refusal() -> None:
    feedback = {"blockReason": "MODEL_ARMOR", "blockReasonMessage": "The prompt violated filters."}
    result = answered(exchanges.encode({"promptFeedback": feedback, "usageMetadata": {"trafficType": "ON_DEMAND"}}))
    choice = result.body.choices[0]
    assert (choice.finish_reason, choice.message.content) == ("content_filter", None)
    assert choice.message.refusal == "The prompt violated filters."
    assert result.native_finish_reason == "MODEL_ARMOR"
    assert result.usage.prompt_tokens is None


FILTERED = {"finishReason": "IMAGE_SAFETY", "finishMessage": "Unable to show the generated image."}


def test_answer_filtered_candidate_says_why_whole_and_streamed() -> None:
    """Only what a filter stopped: other reasons come with words about the generation."""
    choice = answered(exchanges.encode({"candidates": [FILTERED]})).body.choices[0]
    assert (choice.finish_reason, choice.message.refusal) == ("content_filter", FILTERED["finishMessage"])
    stream = ChunkTranslator(EXPECTED)
    chunks = [*stream.feed(Event(b"", exchanges.encode({"candidates": [FILTERED]}))), *stream.finish()]
    assert [chunk.choices[0].delta.refusal for chunk in chunks if chunk.choices[0].delta.refusal] == [
        FILTERED["finishMessage"]
    ]
    assert chunks[-1].choices[0].finish_reason == "content_filter"
    whole = {"content": {"parts": [text("x")]}, "finishReason": "STOP", "finishMessage": "Generated."}
    assert answered(exchanges.encode({"candidates": [whole]})).body.choices[0].message.refusal is None


RATED = [
    {"category": "HARM_CATEGORY_HATE_SPEECH", "probability": "NEGLIGIBLE"},
    {"category": "HARM_CATEGORY_DANGEROUS_CONTENT", "probability": "HIGH", "blocked": True},
    {"category": 3, "probability": 2},
    {"probability": "LOW"},
]
RESULTS = {
    "hate_speech": {"filtered": False, "probability": "negligible"},
    "dangerous_content": {"filtered": True, "probability": "high"},
    "harassment": {"filtered": False, "probability": "low"},
}
UNSAFE = {"content": {"parts": [text("x")]}, "finishReason": "SAFETY", "safetyRatings": RATED}


@pytest.mark.parametrize(
    ("answer", "results"),
    [
        ({"candidates": [UNSAFE]}, RESULTS),
        ({"promptFeedback": {"blockReason": "SAFETY", "safetyRatings": RATED}}, RESULTS),
        ({"candidates": [{**UNSAFE, "safetyRatings": {}}]}, None),
        ({"candidates": [{**UNSAFE, "safetyRatings": []}]}, None),
        ({"candidates": [{**UNSAFE, "finishReason": "STOP"}]}, None),
    ],
)
def test_filtered_answer_tells_which_filter_met_whole_and_streamed(answer: dict, results: dict | None) -> None:
    body = exchanges.encode(answer)
    stream = ChunkTranslator(EXPECTED)
    chunks = [*stream.feed(Event(b"", body)), *stream.finish()]
    for choice in (answered(body).body.choices[0], chunks[-1].choices[0]):
        assert json.loads(msgspec.json.encode(choice)).get("content_filter_results") == results
        assert choice.finish_reason == ("stop" if "STOP" in body.decode() else "content_filter")


def test_answer_with_a_source_that_is_an_image_cites_its_page() -> None:
    image = {"sourceUri": "https://a.example", "imageUri": "https://a.example/i.png", "title": "A", "domain": "a"}
    message = message_of(text("Grüß"), groundingMetadata={"groundingChunks": [{"image": image}]})
    assert stretches(message["annotations"]) == [(0, 4, "https://a.example", "A")]


@pytest.mark.parametrize("body", [b"{}", b'{"candidates": []}', b'{"promptFeedback": {}}', b"[]", b"", b"[" * 100_000])
def test_answer_without_candidate_is_no_answer(body: bytes) -> None:
    with pytest.raises(ProviderError) as caught:
        answered(body)
    assert caught.value.kind == "bad_response"


@pytest.mark.parametrize("wrap", [lambda error: error, lambda error: [error]])
def test_answer_error_inside_a_success_is_raised(wrap) -> None:
    with pytest.raises(ProviderError) as caught:
        answered(exchanges.encode(wrap(exchanges.ERROR)))
    assert (caught.value.kind, caught.value.status) == ("overloaded", 503)


# --- usage


def test_usage_totals_are_inclusive() -> None:
    usage = to_usage(msgspec.Raw(json.dumps(exchanges.USAGE).encode()))
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (25, 39, 64)
    assert (usage.cached_tokens, usage.reasoning_tokens) == (8, 30)
    assert (usage.prompt_text_tokens, usage.prompt_audio_tokens, usage.completion_text_tokens) == (21, 4, 9)
    assert usage.violations() == ()
    assert json.loads(bytes(usage.raw)) == exchanges.USAGE


def test_usage_thoughts_that_the_total_includes_are_not_added_twice() -> None:
    counts = {"promptTokenCount": 10, "candidatesTokenCount": 30, "thoughtsTokenCount": 20, "totalTokenCount": 40}
    usage = to_usage(msgspec.Raw(json.dumps(counts).encode()))
    assert usage is not None
    assert (usage.completion_tokens, usage.reasoning_tokens) == (30, 20)


def test_usage_tokens_of_images_in_an_answer_are_counted_apart() -> None:
    parts = [{"modality": "TEXT", "tokenCount": 12}, {"modality": "IMAGE", "tokenCount": 1290}]
    counts = {"promptTokenCount": 10, "candidatesTokenCount": 1302, "candidatesTokensDetails": parts}
    usage = to_usage(msgspec.Raw(json.dumps(counts).encode()))
    assert usage is not None
    assert (usage.completion_tokens, usage.completion_image_tokens, usage.completion_text_tokens) == (1302, 1290, 12)
    told = msgspec.to_builtins(usage.to_completion_usage())["completion_tokens_details"]
    assert told == {"image_tokens": 1290, "text_tokens": 12}


def test_usage_modalities_as_numbers_are_counted() -> None:
    counts = {"promptTokenCount": 10, "promptTokensDetails": [{"modality": 4, "tokenCount": 10}]}
    usage = to_usage(msgspec.Raw(json.dumps(counts).encode()))
    assert usage is not None
    assert usage.prompt_audio_tokens == 10


# --- errors


def failure(status: int, name: str, *details: dict, message: str = "Sorry.", listed: bool = False) -> Failure:
    error = {"error": {"code": status, "message": message, "status": name, "details": list(details)}}
    return Failure(status, {}, exchanges.encode([error] if listed else error))


@pytest.mark.parametrize(
    ("status", "name", "kind"),
    [
        (400, "INVALID_ARGUMENT", "invalid_request"),
        (400, "FAILED_PRECONDITION", "server_error"),
        (401, "UNAUTHENTICATED", "credentials"),
        (403, "PERMISSION_DENIED", "credentials"),
        (404, "NOT_FOUND", "model_not_found"),
        (429, "RESOURCE_EXHAUSTED", "rate_limit"),
        (500, "INTERNAL", "server_error"),
        (503, "UNAVAILABLE", "overloaded"),
        (504, "DEADLINE_EXCEEDED", "timeout"),
        (418, "NEW_STATUS", "invalid_request"),
    ],
)
@pytest.mark.parametrize("listed", [False, True])
def test_error_status_decides_the_kind(status: int, name: str, kind: str, listed: bool) -> None:
    error = to_error(failure(status, name, listed=listed))
    assert (error.kind, error.status, error.message) == (kind, status, "Sorry.")


def test_error_invalid_key_is_the_deployments_fault() -> None:
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
    assert to_error(failure(400, "INVALID_ARGUMENT", info)).kind == "credentials"


def test_error_long_prompt_is_told_apart() -> None:
    message = "The input token count (1250074) exceeds the maximum number of tokens allowed (1048576)."
    assert to_error(failure(400, "INVALID_ARGUMENT", message=message)).kind == "context_length"


@pytest.mark.parametrize(
    ("delay", "seconds"),
    [("7s", 7.0), ("0.25s", 0.25), ({"seconds": 3, "nanos": 500_000_000}, 3.5), ("soon", None), ("-1s", None)],
)
def test_error_retry_delay_is_read(delay: object, seconds: float | None) -> None:
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}
    assert to_error(failure(429, "RESOURCE_EXHAUSTED", {}, info)).retry_after_s == seconds


GROUNDED = {"webSearchQueries": ["", "one", "two", "two", None]}


@pytest.mark.parametrize(("each", "queries"), [(True, 2), (False, 1)])
def test_usage_counts_searches_as_the_generation_is_charged(each: bool, queries: int) -> None:
    candidate = {"content": {"parts": [{"text": "x"}]}, "finishReason": "STOP", "groundingMetadata": GROUNDED}
    body = json.dumps({"candidates": [candidate], "usageMetadata": {"promptTokenCount": 1}}).encode()
    expected = replace(EXPECTED, searches_charged_each=each)
    assert to_chat_completion(body, expected).usage.queries == queries

    stream = ChunkTranslator(expected)
    first = {"candidates": [{"content": {"parts": [{"text": "x"}]}, "groundingMetadata": GROUNDED}]}
    stream.feed(Event(b"", json.dumps(first).encode()))
    assert stream.usage == Usage(queries=queries)
    stream.feed(Event(b"", body))
    stream.finish()
    assert stream.usage is not None
    assert (stream.usage.prompt_tokens, stream.usage.queries) == (1, queries)


@pytest.mark.parametrize(
    ("told", "tier"),
    [
        ({"serviceTier": "priority"}, "priority"),
        ({"serviceTier": "flex"}, "flex"),
        ({"trafficType": "ON_DEMAND_FLEX"}, "flex"),
        ({"trafficType": "ON_DEMAND_PRIORITY"}, "priority"),
        ({"trafficType": 1}, "default"),
        ({"serviceTier": "unspecified"}, UNSET),
        ({}, UNSET),
    ],
)
def test_tier_that_served_is_told_whole_and_streamed(told: dict, tier: object) -> None:
    candidate = {"content": {"parts": [{"text": "x"}]}, "finishReason": "STOP"}
    body = json.dumps({"candidates": [candidate], "usageMetadata": told}).encode()
    assert to_chat_completion(body, EXPECTED).body.service_tier == tier
    stream = ChunkTranslator(EXPECTED)
    chunks = [*stream.feed(Event(b"", body)), *stream.finish()]
    assert {chunk.service_tier for chunk in chunks} == {tier}
