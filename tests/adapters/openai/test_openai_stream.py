"""Streams of OpenAI-format servers to chunks: what clients may rely on, whatever the server does."""

import msgspec
import pytest

from schemas.usage import Usage
from tests.adapters.openai.stream_items import KIND, ROLE, USAGE, deltas, item, new_translator, piece, run


def test_stream_plain_text_starts_with_the_role_and_ends_once() -> None:
    chunks = run(piece(ROLE), piece({"content": "Hi"}), piece({}, "stop"), item(choices=[], usage=USAGE))
    assert deltas(chunks) == [ROLE, {"content": "Hi"}, ({}, "stop")]
    assert {(chunk.id, chunk.created, chunk.model) for chunk in chunks} == {("chatcmpl-1", 1_700_000_000, "public")}


def test_stream_role_content_and_finish_in_one_item_are_taken_apart() -> None:
    assert deltas(run(piece({"role": "assistant", "content": "Hi"}, "length"))) == [
        ROLE,
        {"content": "Hi"},
        ({}, "length"),
    ]


@pytest.mark.parametrize("head", [{"id": None}, {"id": ""}, {"id": 0, "created": None, "model": None}])
def test_stream_without_id_uses_the_fallback_throughout(head: dict[str, object]) -> None:
    chunks = run(piece(ROLE, **head), piece({"content": "a"}, id="later"), piece({}, "stop"))
    assert {chunk.id for chunk in chunks} == {"chatcmpl-mint"}


def test_stream_null_fields_of_lenient_servers_add_nothing() -> None:
    empty = {"role": None, "content": None, "tool_calls": None, "reasoning_content": None, "function_call": None}
    chunks = run(
        piece({**ROLE, "refusal": None, "audio": None}), piece(empty), piece({"content": "a"}), piece({}, "eos")
    )
    assert deltas(chunks) == [ROLE, {"content": "a"}, ({}, "stop")]


@pytest.mark.parametrize("place", ["reasoning", "reasoning_content"])
def test_stream_reasoning_is_mirrored_in_both_spellings(place: str) -> None:
    both = {"reasoning": "hm", "reasoning_content": "hm"}
    assert deltas(run(piece({place: "hm"}), piece({"content": "a"}, "stop"))) == [
        ROLE,
        both,
        {"content": "a"},
        ({}, "stop"),
    ]


def test_stream_thinking_parts_become_reasoning_and_text() -> None:
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "a"}]
    assert deltas(run(piece({"content": parts}, "stop")))[1] == {
        "content": "a",
        "reasoning": "hm",
        "reasoning_content": "hm",
    }


def test_stream_reasoning_details_are_kept_and_read_where_there_is_no_other_reasoning() -> None:
    detail = {"type": "reasoning.text", "text": "hm", "signature": "s", "format": "anthropic-claude-v1", "index": 0}
    assert deltas(run(piece({"reasoning_details": [detail]}, "stop")))[1] == {
        "reasoning": "hm",
        "reasoning_content": "hm",
        "reasoning_details": [detail],
    }


def test_stream_usage_comes_from_any_chunk_and_the_last_report_of_each_counter_wins() -> None:
    """Trap 1."""
    translator = new_translator()
    chunks = run(
        piece({"content": "a"}, usage={"prompt_tokens": 3, "prompt_tokens_details": {"cached_tokens": 2}}),
        piece({"content": "b"}, usage={"prompt_tokens": 3, "completion_tokens": 1}),
        piece({}, "stop", usage=USAGE),
        item(choices=[], usage=None),
        translator=translator,
    )
    usage = translator.usage or Usage()
    assert (usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens) == (3, 5, 2)
    assert all(chunk.usage is msgspec.UNSET for chunk in chunks)


@pytest.mark.parametrize("place", ["x_groq", "choice"])
def test_stream_usage_in_unusual_places_is_found(place: str) -> None:
    translator = new_translator()
    last = (
        piece({}, "stop", x_groq={"id": "r", "usage": USAGE})
        if place == "x_groq"
        else item(choices=[{"index": 0, "delta": {}, "finish_reason": "stop", "usage": USAGE}])
    )
    run(piece({"content": "a"}), last, translator=translator)
    assert translator.usage is not None
    assert translator.usage.completion_tokens == 5


def test_stream_prompt_filter_results_ride_on_the_role_chunk() -> None:
    results = [{"prompt_index": 0, "content_filter_results": {"hate": {"filtered": False}}}]
    chunks = run(item(id="", choices=[], model="", prompt_filter_results=results), piece(ROLE), piece({}, "stop"))
    assert chunks[0].id == "chatcmpl-1"
    assert msgspec.json.decode(chunks[0].prompt_filter_results or b"") == results
    assert chunks[1].prompt_filter_results is msgspec.UNSET


def test_stream_content_filter_results_stay_with_their_text_and_never_follow_the_end() -> None:
    def filtered(delta: object, finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "content_filter_results": {"hate": {}}}
        return item(choices=[choice])

    chunks = run(filtered({"content": "a"}), filtered({}, "stop"), filtered({}))
    assert [chunk.choices[0].content_filter_results is not msgspec.UNSET for chunk in chunks] == [False, True, True]
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_stream_repeated_citations_are_sent_once() -> None:
    first, second = ["https://a.example"], ["https://a.example", "https://b.example"]
    chunks = run(
        piece({"content": "a"}, citations=first),
        piece({"content": "b"}, citations=first),
        piece({}, "stop", citations=second),
    )
    assert [msgspec.json.decode(c.citations) for c in chunks if c.citations] == [first, second]


def test_stream_obfuscation_tier_and_fingerprint_are_passed_on() -> None:
    head = {"obfuscation": "xyz", "service_tier": "default", "system_fingerprint": "fp"}
    chunk = run(piece(ROLE), piece({"content": "a"}, **head), piece({}, "stop"))[1]
    assert (chunk.obfuscation, chunk.service_tier, chunk.system_fingerprint) == ("xyz", "default", "fp")


def test_stream_logprobs_are_kept() -> None:
    logprobs = {"content": [{"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}], "refusal": None}
    choice = {"index": 0, "delta": {"content": "a"}, "finish_reason": None, "logprobs": logprobs}
    chunks = run(item(choices=[choice]), piece({}, "stop"))
    assert msgspec.to_builtins(chunks[1].choices[0].logprobs) == logprobs


def test_stream_audio_is_kept() -> None:
    audio = {"id": "audio_1", "transcript": "Hi"}
    assert deltas(run(piece({"audio": audio}), piece({}, "stop")))[1] == {"audio": audio}


SECOND_ITEMS = [
    piece({"content": "b"}, **KIND),
    piece({"role": "assistant", "content": "b"}, **KIND, usage=None, system_fingerprint="fp", service_tier="default"),
    piece({"content": "b", "refusal": None, "tool_calls": None}, **KIND, obfuscation="xyz"),
    piece({"content": "b"}, **KIND, usage=USAGE),
    piece({"content": ""}, **KIND),
    piece({"content": None}, **KIND),
    piece({"content": "b", "reasoning_content": "r"}, **KIND),
    piece({"content": "b"}, "stop", **KIND),
    piece({"content": "b"}, "", **KIND),
    piece({"content": "b"}, index=1, **KIND),
    piece({"content": "b"}, **KIND, citations=["https://example.org"]),
    piece({"content": "b"}),
    item(**KIND, choices=[{"index": i, "delta": {"content": "b"}, "finish_reason": None} for i in (0, 1)]),
    item(**KIND, choices=[{"delta": {"content": "b"}, "token_ids": [1]}]),
    item(**KIND, choices=[{"delta": {"content": "b"}, "logprobs": {"content": []}}]),
    item(**KIND, choices=[]),
]


@pytest.mark.parametrize("second", SECOND_ITEMS)
def test_stream_item_means_the_same_by_the_quick_way(second: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    first = (piece(ROLE, **KIND), piece({"content": "a"}, **KIND))
    last = (piece({"content": "c"}, **KIND), piece({}, "stop", **KIND))
    quick = run(*first, second, *last)
    monkeypatch.setattr("adapters.openai.stream.MAX_MISFITS", 0)

    assert quick == run(*first, second, *last)
