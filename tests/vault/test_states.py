import msgspec
import pytest

from aqueduct.vault import keys, states
from schemas.chat_request import ChatRequest
from schemas.chat_response import ChatCompletion, ChatCompletionChunk

CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
SECOND = {"id": "call_2", "type": "function", "function": {"name": "g", "arguments": "{}"}}
SIGNED = {"google": {"thought_signature": "c2lnbmVk"}}
THOUGHT = {"type": "reasoning.text", "format": "anthropic-claude-v1", "index": 0, "text": "Hm, so.", "signature": "s"}
REDACTED = {"type": "reasoning.encrypted", "format": "anthropic-claude-v1", "index": 1, "data": "xyz"}


def request(*answers: object) -> ChatRequest:
    messages = [{"role": "user", "content": "Hi"}, *answers, {"role": "user", "content": "And?"}]
    return msgspec.convert({"model": "m", "messages": messages}, ChatRequest)


def assistant(**fields: object) -> dict[str, object]:
    return {"role": "assistant", "content": None, "tool_calls": [CALL, SECOND], **fields}


def completion(*messages: dict[str, object]) -> ChatCompletion:
    choices = [
        {"index": index, "message": message, "finish_reason": "tool_calls"} for index, message in enumerate(messages)
    ]
    return msgspec.convert({"id": "x", "created": 1, "model": "m", "choices": choices}, ChatCompletion)


def chunk(index: int = 0, **delta: object) -> ChatCompletionChunk:
    choices = [{"index": index, "delta": delta}]
    return msgspec.convert({"id": "x", "created": 1, "model": "m", "choices": choices}, ChatCompletionChunk)


def streamed(*chunks: ChatCompletionChunk, scope: str = "with_calls") -> dict[str, bytes]:
    collected = states.StreamedState(request(), scope)
    for one in chunks:
        collected.feed(one)
    return collected.result()


def whole(answer: ChatCompletion, asked: ChatRequest | None = None, scope: str = "with_calls") -> dict[str, bytes]:
    return states.of_completion(asked or request(), answer, scope)


def put_back(asked: ChatRequest, found: dict[str, bytes]) -> ChatRequest:
    return states.restored(asked, keys.lacking(asked, "always"), found)


@pytest.mark.parametrize(
    "kept",
    [
        {"reasoning_details": [THOUGHT]},
        {"thinking_blocks": [{"type": "thinking", "thinking": "Hm", "signature": "s"}]},
        {"extra_content": SIGNED},
        {"tool_calls": [{**CALL, "extra_content": SIGNED}, SECOND]},
        {"tensorzero_extra_content": [{"type": "thought", "signature": "s"}]},
        {"tool_calls": None, "content": "Hm"},
    ],
)
def test_message_that_comes_with_any_state_or_no_call_lacks_none(kept):
    asked = request(assistant(**kept))
    assert keys.lacking(asked, "with_calls") == {}


def test_bare_messages_with_calls_are_named_by_their_first_call():
    other = {**CALL, "id": "call_9"}
    asked = request(assistant(), {"role": "assistant", "content": "Hm"}, assistant(tool_calls=[other]))
    assert keys.lacking(asked, "with_calls") == {1: "call_1", 3: "call_9"}


def test_whole_answer_kept_and_restored_is_as_it_was():
    signed_call = {**CALL, "extra_content": SIGNED}
    found = whole(
        completion(
            assistant(tool_calls=[signed_call, SECOND], reasoning_details=[THOUGHT, REDACTED], extra_content=SIGNED)
        )
    )
    assert list(found) == ["call_1"]

    restored = put_back(request(assistant()), found)
    complete = assistant(tool_calls=[signed_call, SECOND], reasoning_details=[THOUGHT, REDACTED], extra_content=SIGNED)
    assert restored == request(complete)


def test_readable_reasoning_alone_is_kept_for_servers_that_want_it_again():
    found = whole(completion(assistant(reasoning_content="Hm", reasoning="Hm")))
    assert put_back(request(assistant()), found) == request(assistant(reasoning_content="Hm"))


def test_streamed_state_equals_that_of_the_whole_answer():
    expected = whole(
        completion(
            assistant(
                tool_calls=[{**CALL, "extra_content": SIGNED}, SECOND],
                reasoning_details=[THOUGHT, REDACTED],
                reasoning_content="Hm, so.",
                extra_content=SIGNED,
            )
        )
    )
    first = {"type": "reasoning.text", "format": "anthropic-claude-v1", "index": 0, "text": "Hm,"}
    pieces = streamed(
        chunk(role="assistant", content=""),
        chunk(reasoning_content="Hm,", reasoning_details=[first]),
        chunk(reasoning_content=" so.", reasoning_details=[{"type": "reasoning.text", "index": 0, "text": " so."}]),
        chunk(reasoning_details=[{"type": "reasoning.text", "index": 0, "signature": "s"}]),
        chunk(reasoning_details=[REDACTED]),
        chunk(content="Well", extra_content=SIGNED),
        chunk(tool_calls=[{"index": 0, "id": "call_1", "type": "function", "extra_content": SIGNED}]),
        chunk(tool_calls=[{"index": 0, "function": {"arguments": "{}"}}]),
        chunk(tool_calls=[{"index": 1, "id": "call_2", "type": "function"}]),
    )
    assert pieces == expected


def test_each_choice_has_its_own_state():
    other = {**CALL, "id": "call_9"}
    found = whole(
        completion(assistant(extra_content=SIGNED), assistant(tool_calls=[other], reasoning_details=[THOUGHT]))
    )
    pieces = streamed(
        chunk(1, reasoning_details=[THOUGHT]),
        chunk(0, extra_content=SIGNED),
        chunk(1, tool_calls=[{"index": 0, "id": "call_9"}]),
        chunk(0, tool_calls=[{"index": 0, "id": "call_1"}]),
    )
    assert found == pieces
    assert set(found) == {"call_1", "call_9"}


def test_answers_without_calls_have_nothing_to_keep_and_those_without_state_an_empty_one():
    silent = assistant(tool_calls=[], reasoning_details=[THOUGHT])
    assert whole(completion(silent, assistant())) == {"call_1": b""}
    assert streamed(chunk(reasoning_details=[THOUGHT]), chunk(1, tool_calls=[{"index": 0, "id": "c"}])) == {"c": b""}


def test_state_beyond_the_bound_is_not_kept():
    large = {**REDACTED, "data": "x" * (states.MAX_STATE_BYTES + 1)}
    called = chunk(tool_calls=[{"index": 0, "id": "call_1"}])
    assert whole(completion(assistant(reasoning_details=[large]))) == {"call_1": b""}
    assert streamed(called, chunk(reasoning_details=[large]), chunk(reasoning_details=[REDACTED])) == {"call_1": b""}
    half = {**REDACTED, "data": "x" * (states.MAX_STATE_BYTES // 2 + 1)}
    assert streamed(called, chunk(reasoning_details=[half]), chunk(reasoning_details=[half])) == {"call_1": b""}


def test_state_that_cannot_be_read_leaves_the_message_as_it_is():
    asked = request(assistant())
    assert put_back(asked, {"call_1": b"\x00garbage"}) == asked


def said(text: object, **fields: object) -> dict[str, object]:
    return {"role": "assistant", "content": text, **fields}


def asking(*messages: dict[str, object]) -> ChatRequest:
    return msgspec.convert({"model": "m", "messages": list(messages)}, ChatRequest)


HI = {"role": "user", "content": "Hi"}
AND = {"role": "user", "content": "And?"}
SIGNED_TEXT = said("Hello, you.", reasoning_details=[THOUGHT, REDACTED], extra_content=SIGNED)


def test_signed_text_kept_and_restored_is_as_it_was_whole_and_streamed():
    kept = whole(completion(SIGNED_TEXT), asking(HI), "always")
    assert list(kept) == [key for key in kept if key.startswith(keys.TEXT_KEY)]
    collected = states.StreamedState(asking(HI), "always")
    for one in (
        chunk(role="assistant", content=""),
        chunk(reasoning_details=[THOUGHT, REDACTED]),
        chunk(content="Hello, "),
        chunk(content="you.", extra_content=SIGNED),
    ):
        collected.feed(one)
    assert collected.result() == {}  # it may go on
    end = {"id": "x", "created": 1, "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    collected.feed(msgspec.convert(end, ChatCompletionChunk))
    assert collected.result() == kept
    bare = asking(HI, said("Hello, you."), AND)
    assert put_back(bare, kept) == asking(HI, SIGNED_TEXT, AND)
    assert states.restored(bare, keys.lacking(bare, "with_calls"), kept) == bare


@pytest.mark.parametrize(
    ("before", "content"),
    [
        ([HI], "  Hello, you.\n"),
        ([HI], [{"type": "text", "text": "Hello, "}, {"type": "text", "text": "you."}]),
        ([{"role": "user", "content": [{"type": "text", "text": "Hi"}]}], "Hello, you."),
        ([{"role": "system", "content": "It is noon."}, HI], "Hello, you."),
        (
            [HI, said(None, tool_calls=[CALL]), {"role": "tool", "tool_call_id": "call_1", "content": "1"}],
            "Hello, you.",
        ),
    ],
    ids=["white space", "parts", "the question's parts", "another system message", "calls in between"],
)
def test_text_is_found_however_the_client_writes_it(before, content):
    kept = whole(completion(SIGNED_TEXT), asking(HI), "always")
    assert set(keys.lacking(asking(*before, said(content), AND), "always").values()) & set(kept)


def picture(data: str) -> dict[str, object]:
    url = {"url": f"data:image/png;base64,{data}"}
    return {"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "image_url", "image_url": url}]}


@pytest.mark.parametrize(
    "before",
    [
        [{"role": "user", "content": "Hello"}],
        [HI, said("Yes?"), AND],
        [picture("QUJD")],
        [{"role": "user", "content": [{"type": "file", "file": {"file_data": "data:application/pdf;base64,QUJD"}}]}],
        [],
    ],
    ids=["another question", "a longer conversation", "a picture", "a file", "no question"],
)
def test_same_text_elsewhere_is_another_answer(before):
    """One token may serve many people: what the model thought of one's letter is not told to the next."""
    kept = whole(completion(SIGNED_TEXT), asking(HI), "always")
    asked = asking(*before, said("Hello, you."), AND)
    assert not set(keys.lacking(asked, "always").values()) & set(kept)
    assert keys.lacking(asking(picture("QUJD"), said("Yes")), "always") != keys.lacking(
        asking(picture("QUJE"), said("Yes")), "always"
    )


def test_same_text_twice_in_a_conversation_has_a_state_for_each():
    kept: dict[str, bytes] = {}
    history = [HI]
    for data in ("first", "second"):
        answer = said("Yes.", reasoning_details=[{**REDACTED, "data": data}])
        kept |= whole(completion(answer), asking(*history), "always")
        history += [said("Yes."), AND]
    restored = put_back(asking(*history), kept)
    assert [restored.messages[place].reasoning_details[0].data for place in (1, 3)] == ["first", "second"]


def test_text_that_is_empty_or_unsigned_has_nothing_to_put_back():
    assert whole(completion(said(" \n", extra_content=SIGNED)), asking(HI), "always") == {}
    readable = {"type": "reasoning.text", "text": "Hm", "index": 0}
    unsigned = whole(
        completion(said("Yes.", reasoning_content="Hm", reasoning_details=[readable])), asking(HI), "always"
    )
    assert list(unsigned.values()) == [b""]
    assert whole(completion(SIGNED_TEXT), asking(HI), "with_calls") == {}


def test_text_beyond_the_bound_is_not_kept(monkeypatch):
    monkeypatch.setattr(states, "MAX_TEXT_CHARS", 10)
    collected = states.StreamedState(asking(HI), "always")
    end = {"id": "x", "created": 1, "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    for one in (chunk(content="x" * 11, extra_content=SIGNED), msgspec.convert(end, ChatCompletionChunk)):
        collected.feed(one)
    assert collected.result() == {}


def test_text_with_a_lone_surrogate_has_a_key():
    assert len(keys.lacking(asking(HI, said("\ud800 x")), "always")) == 1
