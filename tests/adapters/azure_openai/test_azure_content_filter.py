"""Azure's content filter: what it says of a prompt and of an answer is carried; what it refuses is the caller's error.

Source: https://learn.microsoft.com/azure/ai-foundry/openai/concepts/content-filter, checked 2026-11-26.
"""

import json

import msgspec
import pytest

from adapters.azure_openai import AzureOpenAIAdapter
from adapters.base import Call, Deployment, Secret
from adapters.conformance.case import Played, PlayedTransport
from adapters.errors import ErrorKind, ProviderError
from schemas.chat_request import ChatRequest

SAFE = {"filtered": False, "severity": "safe"}
PROMPT = [
    {
        "prompt_index": 0,
        "content_filter_results": {"violence": SAFE, "jailbreak": {"filtered": False, "detected": False}},
    }
]
ANSWER = {"violence": {"filtered": True, "severity": "medium"}}
HEAD = {"id": "chatcmpl-1", "model": "gpt-4o", "created": 1_760_000_000}
REFUSED = {
    "error": {
        "message": "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
        "type": None,
        "param": "prompt",
        "code": "content_filter",
        "status": 400,
        "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": ANSWER},
    }
}
REQUEST = ChatRequest(model="public", messages=[])


def call() -> Call:
    deployment = Deployment(
        id="d",
        model="public",
        provider="p",
        adapter="azure_openai",
        upstream_model="gpt-4o",
        base_url="https://r.openai.example",
        credential=Secret("canary"),
    )
    return Call(deployment=deployment, request_id="r", deadline=1e9)


def adapter(body: bytes, status: int = 200) -> AzureOpenAIAdapter:
    return AzureOpenAIAdapter(PlayedTransport(Played([body], status=status)))


def encode(value: object) -> bytes:
    return json.dumps(value).encode()


def events(*values: object) -> bytes:
    return b"".join(b"data: " + encode(value) + b"\n\n" for value in values) + b"data: [DONE]\n\n"


def item(delta: dict, finish: str | None = None, **beside: object) -> dict:
    return {**HEAD, "choices": [{"index": 0, "delta": delta, "finish_reason": finish, **beside}]}


async def streamed(body: bytes) -> list[dict]:
    stream = await adapter(body).chat_stream(REQUEST, call())
    return [json.loads(msgspec.json.encode(chunk)) async for chunks in stream for chunk in chunks]


async def test_whole_answer_keeps_what_the_filter_says_of_prompt_and_answer() -> None:
    message = {"role": "assistant", "content": "Sun"}
    choice = {"index": 0, "message": message, "finish_reason": "content_filter", "content_filter_results": ANSWER}
    body = encode({**HEAD, "choices": [choice], "prompt_filter_results": PROMPT})
    answer = json.loads(msgspec.json.encode((await adapter(body).chat(REQUEST, call())).body))
    assert answer["prompt_filter_results"] == PROMPT
    assert answer["choices"][0]["content_filter_results"] == ANSWER
    assert answer["choices"][0]["finish_reason"] == "content_filter"


async def test_stream_keeps_the_prompts_results_on_the_first_chunk_and_the_answers_where_they_come() -> None:
    prompt = {**HEAD, "id": "", "model": "", "created": 0, "choices": [], "prompt_filter_results": PROMPT}
    chunks = await streamed(
        events(
            prompt,
            item({"role": "assistant", "content": ""}),
            item({"content": "Sun"}, content_filter_results={"violence": SAFE}),
            item({}, "content_filter", content_filter_results=ANSWER),
        )
    )
    assert [chunk["id"] for chunk in chunks] == ["chatcmpl-1"] * len(chunks)
    assert chunks[0]["prompt_filter_results"] == PROMPT
    assert [chunk for chunk in chunks[1:] if "prompt_filter_results" in chunk] == []
    results = [chunk["choices"][0].get("content_filter_results") for chunk in chunks]
    assert [one for one in results if one] == [{"violence": SAFE}, ANSWER]
    assert chunks[-1]["choices"][0]["finish_reason"] == "content_filter"


async def test_stream_with_asynchronous_filter_keeps_results_that_come_without_text() -> None:
    """The filter then runs beside the answer: its results have offsets and no delta, and may come after the end."""
    late = {"index": 0, "finish_reason": None, "content_filter_results": ANSWER, "content_filter_offsets": {}}
    chunks = await streamed(
        events(
            item({"role": "assistant", "content": "Sunny"}),
            {**HEAD, "id": "", "choices": [late]},
            item({}, "stop"),
        )
    )
    assert ANSWER in [chunk["choices"][0].get("content_filter_results") for chunk in chunks]
    assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks) == "Sunny"


@pytest.mark.parametrize("status", [400, 200])
async def test_refused_prompt_is_the_callers_error_under_any_status(status: int) -> None:
    with pytest.raises(ProviderError) as raised:
        await adapter(encode(REFUSED), status).chat(REQUEST, call())
    error = raised.value
    assert (error.kind, error.code, error.param) == (ErrorKind.CONTENT_POLICY, "content_filter", "prompt")
    assert error.message == REFUSED["error"]["message"]
    assert error.kind.is_callers_fault


async def test_inner_error_alone_says_that_the_filter_refused() -> None:
    inner = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": ANSWER}
    body = encode({"error": {"message": "No.", "code": "BadRequest", "innererror": inner}})
    with pytest.raises(ProviderError) as raised:
        await adapter(body, 400).chat(REQUEST, call())
    assert raised.value.kind is ErrorKind.CONTENT_POLICY


async def test_refusal_inside_a_stream_is_the_callers_error() -> None:
    stream = await adapter(events(item({"role": "assistant", "content": "Sun"}), REFUSED)).chat_stream(REQUEST, call())
    with pytest.raises(ProviderError) as raised:
        _ = [chunks async for chunks in stream]
    assert raised.value.kind is ErrorKind.CONTENT_POLICY
