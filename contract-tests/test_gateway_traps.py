"""One test per trap: what went wrong in other gateways and must not go wrong here, by the numbers of the list.

Those that are not here are in the tests of what they are about: `tests/repo/test_traps.py` finds them by their numbers.
"""

import asyncio
import json
import time
from collections.abc import Iterator

import openai
import pytest
from gateway_fixtures import Mocks
from raw_http import Connection, ask, request_bytes
from running_gateway import TOKEN, RunningGateway
from serving_process import chat_request
from upstreams import Fault, data_event, json_reply, sse_reply

HELLO = [{"role": "user", "content": "Hello"}]


@pytest.fixture
def client(gateway: RunningGateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=gateway.url, api_key=TOKEN, max_retries=0) as client:
        yield client


def chunk(delta: object, *, finish: str | None = None, usage: object = None, ident: object = "chatcmpl-1") -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    common = {"id": ident, "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-mini"}
    return data_event({**common, "choices": [choice], "usage": usage})


DONE = b"data: [DONE]\n\n"
USAGE = {
    "prompt_tokens": 100,
    "completion_tokens": 7,
    "total_tokens": 107,
    "prompt_tokens_details": {"cached_tokens": 60},
}


def drained(client: openai.OpenAI, model: str = "gpt", **options: object) -> list[object]:
    return list(client.chat.completions.create(model=model, messages=HELLO, stream=True, **options))  # type: ignore[call-overload]


def test_usage_beside_a_choice_on_the_final_chunk_is_booked(
    client: openai.OpenAI, gateway: RunningGateway, mocks: Mocks
) -> None:
    """Trap 1."""
    events = (chunk({"role": "assistant", "content": "Hi"}), chunk({}, finish="stop", usage=USAGE), DONE)
    mocks.openai.script(sse_reply(events))

    drained(client)

    row = gateway.rows(1)[0]
    assert (row["prompt_tokens"], row["cached_tokens"], row["completion_tokens"]) == (100, 60, 7)
    assert row["usage_source"] == "provider"


def test_client_that_stops_reading_leaves_a_row_with_what_it_got(gateway: RunningGateway, mocks: Mocks) -> None:
    """Traps 2 and 3: a row, marked as what it is, with the prompt and the output that was delivered."""
    mocks.anthropic.script(None, fault=Fault(stall_after=8))
    with Connection(gateway.port) as connection:
        connection.send(chat_request("Tell me [text=400] more", "claude", stream=True))
        connection.read_until(b'"content":"')
        time.sleep(0.5)

    row = gateway.rows(1)[0]
    assert (row["usage_source"], row["error_kind"]) == ("provider_partial", "caller_disconnected")
    assert isinstance(row["prompt_tokens"], int)
    assert isinstance(row["completion_tokens"], int)
    assert min(row["prompt_tokens"], row["completion_tokens"]) > 0


@pytest.mark.parametrize("model", ["gpt", "claude", "gemini"])
def test_cached_tokens_are_part_of_the_prompt_streamed_or_not(
    client: openai.OpenAI, gateway: RunningGateway, model: str
) -> None:
    """Trap 4."""
    messages = [{"role": "user", "content": "[cached=64] " + "word " * 200}]
    client.chat.completions.create(model=model, messages=messages)  # type: ignore[call-overload]
    list(client.chat.completions.create(model=model, messages=messages, stream=True))  # type: ignore[call-overload]

    whole, streamed = gateway.rows(2)
    names = ("prompt_tokens", "cached_tokens", "cache_write_tokens", "completion_tokens", "violations")
    assert [whole[name] for name in names] == [streamed[name] for name in names]
    assert (whole["cached_tokens"], whole["violations"]) == (64, [])
    assert isinstance(whole["prompt_tokens"], int)
    assert whole["prompt_tokens"] > 64


@pytest.mark.parametrize("ident", [None, "chatcmpl-213", ""])
def test_rows_are_kept_whatever_ids_provider_and_client_choose(
    gateway: RunningGateway, mocks: Mocks, ident: str | None
) -> None:
    """Trap 5."""
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}
    body = {"id": ident, "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": USAGE}
    mocks.openai.always(json_reply(body))
    question = json.dumps({"model": "gpt", "messages": HELLO}).encode()
    headers = (("x-request-id", "the-same"), ("x-client-request-id", "the-same-too"))

    data = request_bytes("/v1/chat/completions", question, token=TOKEN, headers=headers)
    answers = [ask(gateway.port, data) for _ in range(2)]

    rows = gateway.rows(2)
    assert {answer.status for answer in answers} == {200}
    assert {str(row["id"]) for row in rows} == {answer.headers["x-request-id"] for answer in answers}
    assert {row["client_request_id"] for row in rows} == {"the-same-too"}


def test_row_names_the_deployment_that_served(client: openai.OpenAI, gateway: RunningGateway, mocks: Mocks) -> None:
    """Trap 8."""
    mocks.openai.always(None, Fault(error=500))

    answer = client.chat.completions.with_raw_response.create(model="two", messages=HELLO)  # type: ignore[arg-type]

    row = gateway.rows(1)[0]
    assert row["provider"] == "anthropic"
    assert str(row["upstream_model"]).startswith("claude-")
    assert str(row["deployment_id"]) == answer.headers["x-aqueduct-deployment"]


def test_large_media_holds_up_nobody_else(gateway: RunningGateway) -> None:
    """Trap 17, and Litestar's default body limit of 10 MB: 20 MB pass, and others are answered meanwhile."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * (20 * 1024 * 1024)}}
    messages = [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, image]}]
    body = json.dumps({"model": "echo", "messages": messages}).encode()
    large = request_bytes("/v1/chat/completions", body, token=TOKEN)

    async def run() -> tuple[int, float]:
        sending = asyncio.create_task(asyncio.to_thread(ask, gateway.port, large, 60.0))
        slowest = 0.0
        while not sending.done():
            begun = time.monotonic()
            await asyncio.to_thread(ask, gateway.port, request_bytes("/health/live", method="GET"), 30.0)
            slowest = max(slowest, time.monotonic() - begun)
        return (await sending).status, slowest

    status, slowest_s = asyncio.run(run())

    assert status == 200
    assert slowest_s < 1.0


@pytest.mark.parametrize("model", ["gpt", "claude", "gemini"])
def test_stream_that_fails_is_never_a_short_success(
    client: openai.OpenAI, gateway: RunningGateway, mocks: Mocks, model: str
) -> None:
    """Traps 19 and 20: an error inside a 200 is retried before content, told after it, and never booked as success."""
    upstream = {"gpt": mocks.openai, "claude": mocks.anthropic, "gemini": mocks.google}[model]
    upstream.script(None, fault=Fault(error_event_at=0))
    assert drained(client, model)
    upstream.script(None, fault=Fault(cut_after=5))
    with pytest.raises(openai.APIError):
        list(
            client.chat.completions.create(
                model=model, messages=[{"role": "user", "content": "Tell me [text=400] more"}], stream=True
            )
        )

    first, second = gateway.rows(2)
    assert (first["attempts"], first["error_kind"]) == (2, None)
    assert str(second["error_kind"]).startswith("provider_")


@pytest.mark.parametrize("model", ["gpt", "claude", "gemini"])
def test_tool_indexes_are_dense_from_zero(client: openai.OpenAI, model: str) -> None:
    """Trap 21: also after text and reasoning."""
    tool = {"type": "function", "function": {"name": "search", "parameters": {"type": "object", "properties": {}}}}
    stream = client.chat.completions.create(  # type: ignore[call-overload]
        model=model, messages=[{"role": "user", "content": "[think] [tools=2] go"}], tools=[tool], stream=True
    )

    indexes = [
        call.index
        for part in stream
        for choice in part.choices
        for call in choice.delta.tool_calls or ()
        if call.id is not None
    ]

    assert indexes == list(range(len(indexes)))
    assert indexes


def test_authorization_header_is_data_and_never_sql(gateway: RunningGateway) -> None:
    """Trap 24: odd credentials get the one constant answer."""
    odd = ("'; DROP TABLE tokens; --", "aq_' OR '1'='1", "aq_%", "\\", "aq_" + "x" * 4000, "Bearer Bearer")
    answers = [
        ask(gateway.port, request_bytes("/v1/models", method="GET", headers=(("authorization", f"Bearer {value}"),)))
        for value in odd
    ]

    assert {answer.status for answer in answers} == {401}
    assert len({answer.body for answer in answers}) == 1
    assert ask(gateway.port, request_bytes("/v1/models", method="GET", token=TOKEN)).status == 200
