import msgspec
import pytest

from aqueduct.vault import states
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


def streamed(*chunks: ChatCompletionChunk) -> dict[str, bytes]:
    collected = states.StreamedState()
    for one in chunks:
        collected.feed(one)
    return collected.result()


@pytest.mark.parametrize(
    "kept",
    [
        {"reasoning_details": [THOUGHT]},
        {"thinking_blocks": [{"type": "thinking", "thinking": "Hm", "signature": "s"}]},
        {"extra_content": SIGNED},
        {"tool_calls": [{**CALL, "extra_content": SIGNED}, SECOND]},
        {"tensorzero_extra_content": [{"type": "thought", "signature": "s"}]},
        {"tool_calls": None},
    ],
)
def test_message_that_comes_with_any_state_or_no_call_lacks_none(kept):
    assert states.lacking(request(assistant(**kept))) == []


def test_bare_messages_with_calls_are_named_by_their_first_call():
    other = {**CALL, "id": "call_9"}
    asked = request(assistant(), {"role": "assistant", "content": "Hm"}, assistant(tool_calls=[other]))
    assert states.lacking(asked) == ["call_1", "call_9"]


def test_whole_answer_kept_and_restored_is_as_it_was():
    signed_call = {**CALL, "extra_content": SIGNED}
    found = states.of_completion(
        completion(
            assistant(tool_calls=[signed_call, SECOND], reasoning_details=[THOUGHT, REDACTED], extra_content=SIGNED)
        )
    )
    assert list(found) == ["call_1"]

    restored = states.restored(request(assistant()), found)
    complete = assistant(tool_calls=[signed_call, SECOND], reasoning_details=[THOUGHT, REDACTED], extra_content=SIGNED)
    assert restored == request(complete)


def test_readable_reasoning_alone_is_kept_for_servers_that_want_it_again():
    found = states.of_completion(completion(assistant(reasoning_content="Hm", reasoning="Hm")))
    assert states.restored(request(assistant()), found) == request(assistant(reasoning_content="Hm"))


def test_streamed_state_equals_that_of_the_whole_answer():
    whole = states.of_completion(
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
    assert pieces == whole


def test_each_choice_has_its_own_state():
    other = {**CALL, "id": "call_9"}
    found = states.of_completion(
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
    assert states.of_completion(completion(silent, assistant())) == {"call_1": b""}
    assert streamed(chunk(reasoning_details=[THOUGHT]), chunk(1, tool_calls=[{"index": 0, "id": "c"}])) == {"c": b""}


def test_state_beyond_the_bound_is_not_kept():
    large = {**REDACTED, "data": "x" * (states.MAX_STATE_BYTES + 1)}
    called = chunk(tool_calls=[{"index": 0, "id": "call_1"}])
    assert states.of_completion(completion(assistant(reasoning_details=[large]))) == {"call_1": b""}
    assert streamed(called, chunk(reasoning_details=[large]), chunk(reasoning_details=[REDACTED])) == {"call_1": b""}
    half = {**REDACTED, "data": "x" * (states.MAX_STATE_BYTES // 2 + 1)}
    assert streamed(called, chunk(reasoning_details=[half]), chunk(reasoning_details=[half])) == {"call_1": b""}


def test_state_that_cannot_be_read_leaves_the_message_as_it_is():
    asked = request(assistant())
    assert states.restored(asked, {"call_1": b"\x00garbage"}) == asked
