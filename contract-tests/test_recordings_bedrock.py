"""Every recorded Converse answer, read through the adapter, means what a plain reading of its JSON says."""

import base64
import contextlib
import json
import struct
from binascii import crc32

import msgspec
import pytest
from streamed import Streamed
from upstreams import Recording, recordings
from upstreams.readers import read_body
from upstreams.reading import Reading, ToolCall
from upstreams.recordings import reported_errors

from adapters.base import Call, Deployment
from adapters.bedrock.errors import to_error
from adapters.bedrock.event_stream import EventStreamParser
from adapters.bedrock.request import Translation, to_converse
from adapters.bedrock.response import Head, to_result
from adapters.bedrock.stream import ConverseToChunks
from adapters.chunks import ChunkBuilder
from adapters.errors import ErrorKind, ProviderError
from adapters.exchange import Failure
from schemas.chat_request import ChatRequest
from schemas.usage import Usage

CREATED = 1_700_000_000
HEAD = Head(answer_id="chatcmpl-r", model="m", created=CREATED)
FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "guardrail_intervened": "content_filter",
}


def of_api(api: str, *, failed: bool = False) -> list[Recording]:
    return [one for one in recordings(api, provider="bedrock") if (one.status != 200) == failed]


def translation() -> Translation:
    request = msgspec.json.decode(b'{"model":"m","messages":[{"role":"user","content":"Hi"}]}', type=ChatRequest)
    upstream = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
    deployment = Deployment(id="d", model="m", provider="p", adapter="bedrock", upstream_model=upstream)
    return to_converse(request, Call(deployment=deployment, request_id="r", deadline=0.0))


def plain_events(body: bytes) -> list[tuple[str, dict]]:
    """The frames of a stream, cut by their lengths alone."""
    found = []
    while body:
        total, header_bytes = struct.unpack_from(">II", body)
        headers, payload = body[12 : 12 + header_bytes], body[12 + header_bytes : total - 4]
        start = headers.index(b":event-type") + len(b":event-type") + 3
        size = headers[start - 1]
        found.append((headers[start : start + size].decode(), json.loads(payload)))
        body = body[total:]
    return found


def plain_blocks(events: list[tuple[str, dict]]) -> dict:
    """A whole answer, put together from the events of a stream."""
    blocks: dict[int, dict] = {}
    end: dict = {}
    for name, payload in events:
        index = payload.get("contentBlockIndex")
        if name == "contentBlockStart":
            blocks[index] = json.loads(json.dumps(payload["start"]))
        elif name == "contentBlockDelta":
            add_delta(blocks.setdefault(index, {}), payload["delta"])
        else:
            end |= payload
    for block in blocks.values():
        if "toolUse" in block:
            block["toolUse"]["input"] = json.loads(block["toolUse"].get("input") or "{}")
    return {**end, "output": {"message": {"content": [blocks[index] for index in sorted(blocks)]}}}


def add_delta(block: dict, delta: dict) -> None:
    if "text" in delta:
        block["text"] = block.get("text", "") + delta["text"]
    if "toolUse" in delta:
        block["toolUse"]["input"] = block["toolUse"].get("input", "") + delta["toolUse"]["input"]


def expected(answer: dict) -> Reading:
    text, reasoning, calls = "", "", []
    for block in answer["output"]["message"]["content"]:
        text += block.get("text", "")
        text += "".join(piece["text"] for piece in block.get("citationsContent", {}).get("content", ()))
        reasoning += block.get("reasoningContent", {}).get("reasoningText", {}).get("text", "")
        call = block.get("toolUse")
        if call and call.get("type") != "server_tool_use":
            calls.append(ToolCall(call["name"], call["input"]))
    finish = FINISH[answer["stopReason"]]
    return Reading(text=text, reasoning=reasoning, tool_calls=tuple(calls), finish=finish)


def comparable(reading: Reading) -> Reading:
    """Leave out what is compared elsewhere: usage below, citations in `test_gateway_recordings.py`."""
    return msgspec.structs.replace(reading, usage=None, citations=())


def assert_usage(ours: Usage | None, theirs: dict, name: str) -> None:
    assert ours is not None, name
    assert ours.violations() == (), name
    assert ours.total_tokens == theirs["totalTokens"], name
    assert ours.completion_tokens == theirs["outputTokens"], name
    assert ours.cached_tokens == theirs.get("cacheReadInputTokens"), name
    assert ours.cache_write_tokens == theirs.get("cacheWriteInputTokens"), name


def translated(pieces: list[bytes]) -> Streamed:
    builder = ChunkBuilder(chunk_id="chatcmpl-r", model="m", created=CREATED)
    return Streamed(ConverseToChunks(translation(), builder), pieces, EventStreamParser())


def test_whole_answer_of_every_recording_means_what_it_says() -> None:
    found = of_api("converse")
    for one in found:
        result = to_result(one.body, dict(one.response_headers), translation(), HEAD)
        answer = json.loads(one.body)
        reading = read_body("chat.completions", 200, msgspec.json.encode(result.body), "json")
        assert comparable(reading) == expected(answer), one.name
        assert_usage(result.usage, answer["usage"], one.name)
        assert result.upstream_id == dict(one.response_headers).get("x-amzn-requestid")
    assert len(found) >= 18


def test_stream_of_every_recording_means_what_it_says() -> None:
    found = of_api("converse-stream")
    for one in found:
        answer = plain_blocks(plain_events(one.body))
        streamed = translated([one.body])
        assert streamed.error is None, one.name
        assert streamed.finished, one.name
        assert comparable(streamed.reading()) == expected(answer), one.name
        assert_usage(streamed.usage, answer["usage"], one.name)
    assert len(found) >= 11


def test_stream_of_every_recording_cut_or_damaged_never_passes_for_whole() -> None:
    for one in of_api("converse-stream"):
        whole = translated([one.body])
        size = len(one.body)
        for number in range(60):
            position = number * size // 60
            cut = translated([one.body[:position]])
            assert cut.error is not None or cut.reading() == whole.reading(), (one.name, position)
            damaged = translated([one.body[:position] + bytes([one.body[position] ^ 1]) + one.body[position + 1 :]])
            assert damaged.error is not None or damaged.reading() == whole.reading(), (one.name, position)


def test_whole_answer_of_every_recording_damaged_raises_nothing_but_provider_errors() -> None:
    for one in of_api("converse"):
        size = len(one.body)
        for number in range(60):
            position = number * size // 60
            for damaged in (
                one.body[:position],
                one.body[:position] + b"\xff" + one.body[position + 1 :],
                one.body[:position] + b"[" + one.body[position + 1 :],
            ):
                with contextlib.suppress(ProviderError):
                    to_result(damaged, {}, translation(), HEAD)


def test_reasoning_of_recordings_comes_out_as_it_is_taken_back() -> None:
    details = []
    for one in of_api("converse"):
        message = to_result(one.body, {}, translation(), HEAD).body.choices[0].message
        blocks = json.loads(one.body)["output"]["message"]["content"]
        given = [block for block in blocks if "reasoningContent" in block]
        if not given:
            continue
        history = {
            "model": "m",
            "reasoning_effort": "low",
            "messages": [
                {"role": "user", "content": "Hi"},
                json.loads(msgspec.json.encode(message)),
                {"role": "user", "content": "And?"},
            ],
        }
        request = msgspec.json.decode(json.dumps(history), type=ChatRequest)
        upstream = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
        deployment = Deployment(id="d", model="m", provider="p", adapter="bedrock", upstream_model=upstream)
        body = json.loads(to_converse(request, Call(deployment=deployment, request_id="r", deadline=0.0)).encode())
        assert body["messages"][1]["content"][: len(given)] == given, one.name
        details += given
    assert any("redactedContent" in block["reasoningContent"] for block in details)
    assert any("reasoningText" in block["reasoningContent"] for block in details)


def test_error_of_every_recording_has_its_kind() -> None:
    kinds = {400: ErrorKind.INVALID_REQUEST, 403: ErrorKind.CREDENTIALS, 404: ErrorKind.MODEL_NOT_FOUND}
    found = [*of_api("converse", failed=True), *of_api("converse-stream", failed=True)]
    for one in found:
        error = to_error(Failure(one.status, dict(one.response_headers), one.body))
        invalid_model = "does-not-exist" in one.path
        assert error.kind is (ErrorKind.MODEL_NOT_FOUND if invalid_model else kinds[one.status]), one.name
        assert error.message == json.loads(one.body)["message"], one.name
        assert error.upstream_request_id == dict(one.response_headers).get("x-amzn-requestid")
    assert len(found) >= 7


def test_error_as_publicly_reported_is_a_rate_limit() -> None:
    reported = [entry for entry in reported_errors("bedrock") if entry["status"] == 429]
    assert reported
    for entry in reported:
        error = to_error(Failure(429, entry["headers"], json.dumps(entry["body"]).encode()))
        assert (error.kind, error.code) == (ErrorKind.RATE_LIMIT, "ThrottlingException")


@pytest.mark.parametrize("position", [0, 1, -1])
def test_exception_in_any_recorded_stream_ends_it(position: int) -> None:
    """Trap 20: an error under status 200 is a failure, wherever it comes."""
    payload = b'{"message":"Too many requests"}'
    names = ((b":exception-type", b"throttlingException"), (b":message-type", b"exception"))
    headers = b"".join(
        bytes([len(name)]) + name + b"\x07" + len(value).to_bytes(2, "big") + value for name, value in names
    )
    head = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    head += struct.pack(">I", crc32(head)) + headers + payload
    exception = head + struct.pack(">I", crc32(head))
    for one in of_api("converse-stream"):
        frames, body = [], one.body
        while body:
            total = struct.unpack_from(">I", body)[0]
            frames.append(body[:total])
            body = body[total:]
        cut = frames[:position] if position >= 0 else frames[:-1]
        streamed = translated([*cut, exception])
        assert streamed.error is not None, one.name
        assert streamed.error.kind is ErrorKind.RATE_LIMIT
        assert not streamed.finished


def test_redacted_content_is_base64_of_what_the_other_api_sends() -> None:
    for one in of_api("converse"):
        for block in json.loads(one.body)["output"]["message"]["content"]:
            given = block.get("reasoningContent", {}).get("redactedContent")
            if given:
                message = to_result(one.body, {}, translation(), HEAD).body.choices[0].message
                data = [detail.data for detail in message.reasoning_details if detail.type == "reasoning.encrypted"]
                assert data == [base64.b64decode(given).decode()]
