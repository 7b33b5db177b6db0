"""Streams of OpenAI-format servers to chunks: what clients may rely on, whatever the server does."""

from collections.abc import Sequence

import msgspec
import pytest

from adapters.errors import ErrorKind, ProviderError
from adapters.openai.stream import ChunkTranslator
from adapters.sse import Event
from schemas.chat_response import ChatCompletionChunk
from schemas.usage import Usage

USAGE = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}


def item(**fields: object) -> bytes:
    return msgspec.json.encode({"id": "chatcmpl-1", "created": 1_700_000_000, "model": "up", **fields})


def piece(delta: object, finish: str | None = None, *, index: int = 0, **fields: object) -> bytes:
    return item(choices=[{"index": index, "delta": delta, "finish_reason": finish}], **fields)


def new_translator(*, keep_stop: bool = False) -> ChunkTranslator:
    return ChunkTranslator(model="public", chunk_id="chatcmpl-mint", created=7, keep_stop=keep_stop)


def run(*data: bytes, translator: ChunkTranslator | None = None, done: bool = True) -> list[ChatCompletionChunk]:
    translator = translator or new_translator()
    chunks: list[ChatCompletionChunk] = []
    for one in data:
        chunks += translator.feed(Event(b"", one))
    if done:
        chunks += translator.feed(Event(b"", b"[DONE]"))
    chunks += translator.finish()
    return chunks


def deltas(chunks: Sequence[ChatCompletionChunk]) -> list[object]:
    """Delta and finish reason of every chunk, as JSON."""
    found: list[object] = []
    for chunk in chunks:
        for choice in chunk.choices:
            delta = msgspec.to_builtins(choice.delta)
            found.append(delta if choice.finish_reason is None else (delta, choice.finish_reason))
    return found


ROLE = {"role": "assistant", "content": ""}


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


# --- tool calls


def call(arguments: str, **fields: object) -> dict[str, object]:
    name = fields.pop("name", None)
    return {**fields, "function": {"arguments": arguments} | ({"name": name} if name else {})}


def opened(index: int, call_id: str, name: str) -> object:
    function = {"name": name, "arguments": ""}
    return {"tool_calls": [{"index": index, "id": call_id, "type": "function", "function": function}]}


def argument(index: int, text: str) -> object:
    return {"tool_calls": [{"index": index, "function": {"arguments": text}}]}


def tools(*calls: object, finish: str | None = None) -> bytes:
    return piece({"tool_calls": list(calls)}, finish)


EXPECTED_CALL = [ROLE, opened(0, "call_a", "f"), argument(0, '{"x":'), argument(0, "1}"), ({}, "tool_calls")]


@pytest.mark.parametrize(
    "items",
    [
        pytest.param([tools(call("", index=0, id="call_a", name="f")), tools(call('{"x":', index=0))], id="as openai"),
        pytest.param([tools(call('{"x":', index=0, id="call_a", name="f"))], id="arguments in the first piece"),
        pytest.param([tools(call('{"x":', index=2, id="call_a", name="f")), tools(call("", index=2))], id="from 2"),
        pytest.param([tools(call('{"x":', id="call_a", name="f"))], id="no index"),
        pytest.param([tools({"index": 0, "id": "call_a"}), tools(call('{"x":', index=0, name="f"))], id="name late"),
    ],
)
def test_stream_tool_call_has_a_dense_index_and_one_head(items: list[bytes]) -> None:
    index = 2 if b'"index":2' in items[0] else 0
    chunks = run(*items, tools(call("1}", index=index)), piece({}, "tool_calls"))
    assert deltas(chunks) == EXPECTED_CALL


def test_stream_tool_call_without_any_index_continues_the_last_one() -> None:
    chunks = run(tools(call('{"x":', id="call_a", name="f")), tools(call("1}")), piece({}, "tool_calls"))
    assert deltas(chunks) == EXPECTED_CALL


def test_stream_tool_call_repeating_id_and_name_opens_once() -> None:
    repeated = {"id": "call_a", "index": 0, "name": "f"}
    chunks = run(tools(call('{"x":', **repeated)), tools(call("1}", **repeated)), piece({}, "tool_calls"))
    assert deltas(chunks) == EXPECTED_CALL


def test_stream_whole_calls_under_one_index_stay_apart() -> None:
    """Trap 21: an upstream's index is not a client's."""
    chunks = run(
        tools(call("{}", index=0, id="call_a", name="f")),
        tools(call("{}", index=0, id="call_b", name="f")),
        piece({}, "stop"),
    )
    assert deltas(chunks)[1:] == [
        opened(0, "call_a", "f"),
        argument(0, "{}"),
        opened(1, "call_b", "f"),
        argument(1, "{}"),
        ({}, "tool_calls"),
    ]


def test_stream_tool_ids_illegal_empty_or_repeated_are_minted_alike_every_time() -> None:
    calls = [call("{}", index=i, id=call_id, name="f") for i, call_id in enumerate(["", "functions.f:0", "a", "a"])]

    def ids() -> list[str]:
        chunks = run(tools(calls[0], calls[1], calls[2]), tools(calls[3]), piece({}, "tool_calls"))
        found = [c.delta.tool_calls[0].id for chunk in chunks for c in chunk.choices if c.delta.tool_calls]
        return [str(one) for one in found if one]

    assert ids() == ids()
    assert len(set(ids())) == 4
    assert ids()[2] == "a"
    assert all(one == "a" or (one.startswith("call_") and one[5:].isalnum() and len(one) == 29) for one in ids())


def test_stream_arguments_as_an_object_become_json_text() -> None:
    whole = {"index": 0, "id": "call_a", "function": {"name": "f", "arguments": {"x": 1}}}
    assert deltas(run(tools(whole, finish="stop")))[2] == argument(0, '{"x":1}')


def test_stream_call_that_never_gets_a_name_is_not_lost() -> None:
    chunks = run(tools({"index": 0, "id": "call_a", "function": {"arguments": "{}"}}), piece({}, "stop"))
    assert deltas(chunks)[1:] == [opened(0, "call_a", ""), argument(0, "{}"), ({}, "tool_calls")]


def test_stream_custom_tool_call_streams_its_input() -> None:
    first = {"index": 0, "id": "call_a", "type": "custom", "custom": {"name": "f", "input": ""}}
    chunks = run(tools(first), tools({"index": 0, "custom": {"input": "a b"}}), piece({}, "tool_calls"))
    assert deltas(chunks)[1:3] == [
        {"tool_calls": [{"index": 0, "id": "call_a", "type": "custom", "custom": {"name": "f", "input": ""}}]},
        {"tool_calls": [{"index": 0, "custom": {"input": "a b"}}]},
    ]


def test_stream_thought_signature_of_a_call_is_kept() -> None:
    extra = {"google": {"thought_signature": "s"}}
    chunks = run(tools({**call("{}", index=0, id="call_a", name="f"), "extra_content": extra}), piece({}, "stop"))
    assert msgspec.to_builtins(chunks[1].choices[0].delta)["tool_calls"][0]["extra_content"] == extra


# --- finish reasons


@pytest.mark.parametrize(
    ("native", "called", "expected"),
    [
        ("stop", False, "stop"),
        ("stop", True, "tool_calls"),
        ("length", True, "length"),
        ("eos", False, "stop"),
        ("COMPLETE", True, "tool_calls"),
        ("model_length", False, "length"),
        ("sensitive", False, "content_filter"),
        ("something_new", False, "stop"),
    ],
)
def test_stream_finish_reason_is_one_of_five(native: str, expected: str, *, called: bool) -> None:
    delta = {"tool_calls": [call("{}", index=0, id="a", name="f")]} if called else {"content": "a"}
    translator = new_translator()
    assert deltas(run(piece(delta), piece({}, native), translator=translator))[-1] == ({}, expected)
    assert translator.native_finish_reason == native


def test_stream_forced_call_of_openai_keeps_its_stop() -> None:
    delta = {"tool_calls": [call("{}", index=0, id="a", name="f")]}
    assert deltas(run(piece(delta, "stop"), translator=new_translator(keep_stop=True)))[-1] == ({}, "stop")


def test_stream_second_finish_is_left_out() -> None:
    """Trap 1: OpenRouter repeats the finish on the chunk with the usage."""
    translator = new_translator()
    chunks = run(piece({"content": "a"}), piece({}, "stop"), piece(ROLE, "stop", usage=USAGE), translator=translator)
    assert deltas(chunks) == [ROLE, {"content": "a"}, ({}, "stop")]
    assert translator.usage is not None
    assert translator.usage.total_tokens == 8


@pytest.mark.parametrize(
    "late",
    [
        piece({"content": "late"}, usage=USAGE),
        piece({"reasoning_content": "late"}, usage=USAGE),
        piece({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}]}, usage=USAGE),
        piece({"refusal": "late"}, "content_filter", usage=USAGE),
        item(choices=[{"index": 0, "delta": {"content": "late"}, "usage": USAGE}]),
        item(choices=[{"index": 0, "delta": {}, "logprobs": {"content": []}}], usage=USAGE),
    ],
)
def test_stream_nothing_but_usage_is_taken_after_the_finish(late: bytes) -> None:
    """Trap 1: clients stop reading a choice at its finish chunk, or count it twice."""
    translator = new_translator()
    chunks = run(piece({"content": "a"}), piece({}, "stop"), late, translator=translator)
    assert deltas(chunks) == [ROLE, {"content": "a"}, ({}, "stop")]
    assert translator.native_finish_reason == "stop"
    assert translator.usage is not None
    assert translator.usage.total_tokens == 8


@pytest.mark.parametrize("called", [False, True])
def test_stream_end_mark_without_finish_reason_finishes_the_choice(*, called: bool) -> None:
    delta = {"tool_calls": [call("{}", index=0, id="a", name="f")]} if called else {"content": "a"}
    assert deltas(run(piece(delta)))[-1] == ({}, "tool_calls" if called else "stop")


def test_stream_several_choices_finish_once_each() -> None:
    chunks = run(
        piece({"content": "a"}, index=0),
        piece({"content": "b"}, index=1),
        piece({}, "stop", index=1),
        piece({}, "length", index=0),
    )
    finished = [(c.index, c.finish_reason) for chunk in chunks for c in chunk.choices if c.finish_reason]
    assert finished == [(1, "stop"), (0, "length")]
    assert [c.index for chunk in chunks for c in chunk.choices if c.delta.role] == [0, 1]


def test_stream_missing_end_mark_is_forgiven_after_the_finish() -> None:
    translator = new_translator()
    run(piece({"content": "a"}, "stop"), translator=translator, done=False)
    assert translator.finished


@pytest.mark.parametrize(
    "items", [[], [piece(ROLE)], [piece({"content": "a"}, "stop"), piece({"content": "b"}, index=1)]]
)
def test_stream_that_ends_too_early_is_a_connection_error(items: list[bytes]) -> None:
    translator = new_translator()
    with pytest.raises(ProviderError) as raised:
        run(*items, translator=translator, done=False)
    assert raised.value.kind is ErrorKind.CONNECTION
    assert not translator.finished


# --- errors inside the stream


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b'{"error":{"message":"boom","code":502}}', ErrorKind.SERVER_ERROR),
        (b'{"error":{"message":"slow down","code":429,"metadata":{}},"choices":[]}', ErrorKind.RATE_LIMIT),
        (b'{"error":{"message":"no","code":"tool_use_failed","status_code":400}}', ErrorKind.INVALID_REQUEST),
        (b'{"error":"boom"}', ErrorKind.SERVER_ERROR),
        (b'{"object":"error","message":"boom","type":"BadRequestError","code":400}', ErrorKind.INVALID_REQUEST),
        (b'{"choices":[{"index":0,"delta":{},"finish_reason":"error"}]}', ErrorKind.SERVER_ERROR),
        (b'{"x_groq":{"error":"stopped early"},"choices":[]}', ErrorKind.SERVER_ERROR),
        (b"{", ErrorKind.BAD_RESPONSE),
        (b"null", ErrorKind.BAD_RESPONSE),
        (b'"text"', ErrorKind.BAD_RESPONSE),
        (b'{"choices":{}}', ErrorKind.BAD_RESPONSE),
        (b'{"choices":[{"delta":{"content":"\xff"}}]}', ErrorKind.BAD_RESPONSE),
    ],
)
def test_stream_failure_is_a_provider_error_before_and_after_content(data: bytes, kind: ErrorKind) -> None:
    """Trap 19: an error object inside a 200."""
    for before in ([], [piece({"content": "a"})]):
        translator = new_translator()
        with pytest.raises(ProviderError) as raised:
            run(*before, data, translator=translator)
        assert raised.value.kind is kind
        assert not translator.finished


def test_stream_error_with_usage_keeps_the_usage() -> None:
    translator = new_translator()
    with pytest.raises(ProviderError):
        run(item(error={"message": "x", "code": 400}, usage=USAGE), translator=translator)
    assert translator.usage is not None
    assert translator.usage.prompt_tokens == 3


def test_stream_null_error_is_no_error() -> None:
    assert len(run(piece({"content": "a"}, "stop", error=None))) == 3


def test_stream_that_holds_no_answer_is_a_bad_response() -> None:
    with pytest.raises(ProviderError) as raised:
        run(item(choices=[], usage=USAGE))
    assert raised.value.kind is ErrorKind.BAD_RESPONSE


# --- usage and annotations


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


def test_stream_legacy_function_call_is_kept() -> None:
    chunks = run(piece({"function_call": {"name": "f", "arguments": "{}"}}), piece({}, "function_call"))
    assert deltas(chunks)[1:] == [{"function_call": {"name": "f", "arguments": "{}"}}, ({}, "function_call")]


KIND = {"object": "chat.completion.chunk"}
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


@pytest.mark.parametrize(
    ("name", "data"),
    [
        (b"", item(error={"message": "no"})),
        (b"", b'{"object":"error","message":"no"}'),
        (b"", b"no json"),
        (b"", piece({"content": "b"}, **KIND)[:-1] + b"\xff"),
        (b"error", piece({"content": "b"}, **KIND)),
    ],
)
def test_stream_error_after_a_plain_item_is_an_error(name: bytes, data: bytes) -> None:
    translator = new_translator()
    for before in (piece(ROLE, **KIND), piece({"content": "a"}, **KIND)):
        translator.feed(Event(b"", before))
    with pytest.raises(ProviderError):
        translator.feed(Event(name, data))
