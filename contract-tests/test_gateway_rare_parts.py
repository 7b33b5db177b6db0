"""Parts of answers that few providers have, as the official SDK's clients see them, whole and streamed alike."""

import json
from collections.abc import Mapping

import openai
import pytest
from gateway_fixtures import Mocks
from running_gateway import TOKEN, RunningGateway
from test_gateway_errors import MOCKS
from test_gateway_recordings import HELLO
from upstreams import Upstream, json_reply
from upstreams.aws_frames import frame
from upstreams.wire import Reply, data_event, frames_reply, sse_reply

Found = dict[str, object]
READ = {"type": "file", "file": {"hash": "9f2c", "name": "ulm.pdf", "content": [{"type": "text", "text": "Ulm."}]}}
CITED = {"url": "https://ulm.example", "title": "Ulm", "start_index": 0, "end_index": 3, "content": "Ulm is old."}
NOTES = [{"type": "url_citation", "url_citation": CITED}, READ]
SAID = {"role": "assistant", "content": "Ulm", "annotations": NOTES}
HEAD = {"id": "gen-1", "model": "m", "created": 1_760_000_000}
MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_sequence": None}
COUNTED = {"input_tokens": 5, "output_tokens": 2}
REFUSED = {"stop_reason": "refusal", "stop_details": {"type": "refusal", "category": "bio", "explanation": "No."}}
UNSAFE = {
    "content": {"role": "model", "parts": [{"text": "Ulm"}]},
    "finishReason": "SAFETY",
    "safetyRatings": [{"category": "HARM_CATEGORY_HARASSMENT", "probability": "HIGH", "blocked": True}],
}
PNG = "iVBORw0KGgo="
TOLD: dict[str, Found] = {
    "openrouter": {"content": "Ulm", "annotations": NOTES},
    "claude": {"content": "Ulm", "refusal": "No.", "content_filter_results": {"bio": {"filtered": True}}},
    "gemini": {
        "content": "Ulm",
        "content_filter_results": {"harassment": {"filtered": True, "probability": "high"}},
    },
    "bedrock": {
        "content": "Ulm",
        "images": [{"type": "image_url", "index": 0, "image_url": {"url": f"data:image/png;base64,{PNG}"}}],
    },
}


def choice_reply(*, stream: bool) -> Reply:
    choice = {"index": 0, "finish_reason": "stop", "delta" if stream else "message": SAID}
    document = {**HEAD, "object": "chat.completion.chunk" if stream else "chat.completion", "choices": [choice]}
    return sse_reply((data_event(document), b"data: [DONE]\n\n")) if stream else json_reply(document)


def claude_reply(*, stream: bool) -> Reply:
    if not stream:
        content = [{"type": "text", "text": "Ulm"}]
        return json_reply({**MESSAGE, **REFUSED, "content": content, "usage": COUNTED})
    events = (
        {"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None, "usage": COUNTED}},
        {"type": "ping"},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Ulm"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": REFUSED, "usage": COUNTED},
        {"type": "message_stop"},
    )
    return sse_reply(tuple(data_event(event, str(event["type"])) for event in events))


def gemini_reply(*, stream: bool) -> Reply:
    document = {"candidates": [UNSAFE], "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 2}}
    return sse_reply((data_event(document),)) if stream else json_reply(document)


def bedrock_reply(*, stream: bool) -> Reply:
    counted = {"inputTokens": 5, "outputTokens": 2, "totalTokens": 7}
    image = {"format": "png", "source": {"bytes": PNG}}
    if not stream:
        message = {"role": "assistant", "content": [{"text": "Ulm"}, {"image": image}]}
        return json_reply({"output": {"message": message}, "stopReason": "end_turn", "usage": counted})
    events: tuple[tuple[str, Mapping[str, object]], ...] = (
        ("messageStart", {"role": "assistant"}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Ulm"}}),
        ("contentBlockStop", {"contentBlockIndex": 0}),
        ("contentBlockStart", {"contentBlockIndex": 1, "start": {"image": {"format": "png"}}}),
        ("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"image": {"source": image["source"]}}}),
        ("contentBlockStop", {"contentBlockIndex": 1}),
        ("messageStop", {"stopReason": "end_turn"}),
        ("metadata", {"usage": counted}),
    )
    return frames_reply(tuple(frame(name, payload) for name, payload in events))


REPLIES = {"openrouter": choice_reply, "claude": claude_reply, "gemini": gemini_reply, "bedrock": bedrock_reply}


def heard(client: openai.OpenAI, model: str, *, stream: bool) -> Found:
    """What the message and its choice hold, put together from the chunks of a stream."""
    if not stream:
        choice = client.chat.completions.create(model=model, messages=HELLO).choices[0].to_dict()
        message = choice["message"]
        assert isinstance(message, dict)
        return {**message, **choice}
    found: Found = {"content": ""}
    for chunk in client.chat.completions.create(model=model, messages=HELLO, stream=True):
        for one in chunk.choices:
            choice = one.to_dict()
            delta = choice["delta"]
            assert isinstance(delta, dict)
            said = str(found["content"]) + str(delta.pop("content", None) or "")
            found |= {**delta, **choice, "content": said}
    return found


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("model", TOLD)
def test_rare_part_of_an_answer_reaches_the_client(
    gateway: RunningGateway, mocks: Mocks, model: str, stream: bool
) -> None:
    upstream: Upstream = getattr(mocks, MOCKS[model])
    upstream.always(REPLIES[model](stream=stream))
    with openai.OpenAI(base_url=gateway.url, api_key=TOKEN, max_retries=0) as client:
        found = heard(client, model, stream=stream)
    assert {name: found.get(name) for name in TOLD[model]} == TOLD[model]


def test_file_that_was_read_goes_back_with_the_next_request(gateway: RunningGateway, mocks: Mocks) -> None:
    """As the client's own loop does it: the message of the answer is the history of the next request."""
    mocks.openrouter.always(choice_reply(stream=False))
    with openai.OpenAI(base_url=gateway.url, api_key=TOKEN, max_retries=0) as client:
        first = client.chat.completions.create(model="openrouter", messages=HELLO)
        answer = json.loads(first.choices[0].message.to_json())
        client.chat.completions.create(model="openrouter", messages=[*HELLO, answer, *HELLO])
    sent = json.loads(mocks.openrouter.ledger[-1].exchange.request.body)["messages"]
    assert sent[1]["annotations"] == [READ]
