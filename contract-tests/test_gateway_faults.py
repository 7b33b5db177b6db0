"""Providers that fail and clients that vanish: the right status, retries before content only, exact usage."""

import json
import time
from collections.abc import Iterator
from typing import NamedTuple

import openai
import pytest
from gateway_fixtures import Mocks
from raw_http import Connection, request_bytes
from running_gateway import TOKEN, RunningGateway
from serving_process import chat_request
from upstreams import UPSTREAM_KEY, Fault, Upstream
from upstreams.wire import data_event, sse_reply

HELLO = [{"role": "user", "content": "Tell me [text=400] something."}]
CHAT = "/v1/chat/completions"
MODELS = {"gpt": "openai", "gpt-azure": "azure", "claude": "anthropic", "gemini": "google"}


@pytest.fixture(params=list(MODELS))
def model(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def client(gateway: RunningGateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=gateway.url, api_key=TOKEN, max_retries=0) as client:
        yield client


def upstream_of(mocks: Mocks, model: str) -> Upstream:
    found: Upstream = getattr(mocks, MODELS[model])
    return found


class Failure(NamedTuple):
    """A fault, and the status and code by which it is told."""

    name: str
    fault: Fault
    status: int
    code: str


FAILURES = [
    Failure("rate limit", Fault(error=429, retry_after="30"), 429, "upstream_rate_limited"),
    Failure("server error", Fault(error=500), 502, "upstream_error"),
    Failure("credentials", Fault(error=401), 502, "upstream_credentials"),
    Failure("forbidden", Fault(error=403), 502, "upstream_credentials"),
    Failure("html page", Fault(page="html", page_status=502), 502, "upstream_error"),
    Failure("html page under 200", Fault(page="html"), 502, "upstream_error"),
    Failure("empty 200", Fault(page="empty"), 502, "upstream_error"),
    Failure("broken json", Fault(corrupt="json"), 502, "upstream_error"),
    Failure("broken utf-8", Fault(corrupt="utf8"), 502, "upstream_error"),
    Failure("cut before anything", Fault(cut_after_bytes=0), 502, "upstream_error"),
    Failure("reset before anything", Fault(cut_after_bytes=0, cut_with="rst"), 502, "upstream_error"),
    Failure("too little", Fault(missing_bytes=10), 502, "upstream_error"),
]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.name)
def test_failing_provider_is_told_with_its_kind_after_the_attempts_are_used_up(
    client: openai.OpenAI, gateway: RunningGateway, mocks: Mocks, model: str, failure: Failure
) -> None:
    upstream_of(mocks, model).always(None, failure.fault)

    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(model=model, messages=HELLO)

    assert (caught.value.status_code, caught.value.code) == (failure.status, failure.code)
    assert "127.0.0.1" not in str(caught.value.body)
    assert UPSTREAM_KEY not in str(caught.value.body)
    if failure.status == 429:
        # Gemini says in the body how long to wait, and the body is the more exact one.
        assert caught.value.response.headers["retry-after"] == ("7" if model == "gemini" else "30")
    row = gateway.rows(1)[0]
    assert row["status"] == failure.status
    assert row["error_kind"] is not None
    assert str(row["error_kind"]).startswith("provider_")
    assert row["usage_source"] is None


@pytest.mark.parametrize(("name", "status"), [("claude", 529), ("gemini", 503)])
def test_overloaded_provider_is_a_503(
    client: openai.OpenAI, gateway: RunningGateway, mocks: Mocks, name: str, status: int
) -> None:
    upstream_of(mocks, name).always(None, Fault(error=status))

    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model=name, messages=HELLO)

    assert (caught.value.status_code, caught.value.code) == (503, "upstream_overloaded")
    assert gateway.rows(1)[0]["error_kind"] == "provider_overloaded"


@pytest.mark.parametrize("fault", [Fault(error=500), Fault(error=529), Fault(cut_after_bytes=0), Fault(page="html")])
@pytest.mark.parametrize("stream", [False, True])
def test_failure_before_the_first_content_is_retried_unseen(
    client: openai.OpenAI, gateway: RunningGateway, mocks: Mocks, model: str, fault: Fault, stream: bool
) -> None:
    upstream_of(mocks, model).script(None, fault=fault)

    answer = client.chat.completions.create(model=model, messages=HELLO, stream=stream)

    text = (
        "".join(chunk.choices[0].delta.content or "" for chunk in answer if chunk.choices)
        if isinstance(answer, openai.Stream)
        else answer.choices[0].message.content
    )
    assert text
    row = gateway.rows(1)[0]
    assert (row["attempts"], row["status"], row["usage_source"]) == (2, 200, "provider")


def test_error_event_before_the_first_content_is_retried_unseen(
    client: openai.OpenAI, gateway: RunningGateway, mocks: Mocks, model: str
) -> None:
    upstream_of(mocks, model).script(None, fault=Fault(error_event_at=0))

    chunks = list(client.chat.completions.create(model=model, messages=HELLO, stream=True))

    assert chunks[-1].choices[0].finish_reason == "stop"
    assert gateway.rows(1)[0]["attempts"] == 2


@pytest.mark.parametrize(
    "fault",
    [
        Fault(error_event_at=5),
        Fault(cut_after=5),
        Fault(cut_after=5, cut_with="rst"),
        Fault(corrupt="json", corrupt_at=5),
    ],
    ids=["error event", "cut", "reset", "garbage"],
)
def test_failure_after_content_is_an_error_event_and_a_partial_or_estimated_row(
    client: openai.OpenAI, gateway: RunningGateway, mocks: Mocks, model: str, fault: Fault
) -> None:
    upstream_of(mocks, model).script(None, fault=fault)
    texts: list[str] = []

    with pytest.raises(openai.APIError) as caught:
        texts.extend(
            chunk.choices[0].delta.content or ""
            for chunk in client.chat.completions.create(model=model, messages=HELLO, stream=True)
        )

    assert "".join(texts)
    assert isinstance(caught.value.body, dict)
    assert set(caught.value.body) == {"message", "type", "param", "code"}
    row = gateway.rows(1)[0]
    assert row["attempts"] == 1, "content had been sent: no second attempt"
    assert row["usage_source"] in {"provider_partial", "estimated"}
    assert isinstance(row["completion_tokens"], int)
    assert row["completion_tokens"] > 0
    assert str(row["error_kind"]).startswith("provider_")


def test_usage_reported_before_a_failure_without_content_is_booked_as_partial(
    client: openai.OpenAI, gateway: RunningGateway, mocks: Mocks
) -> None:
    mocks.anthropic.always(None, Fault(error_event_at=1))  # after `message_start`, which has the prompt's tokens

    with pytest.raises(openai.APIStatusError):
        client.chat.completions.create(model="claude", messages=HELLO, stream=True)

    row = gateway.rows(1)[0]
    assert row["usage_source"] == "provider_partial"
    assert isinstance(row["prompt_tokens"], int)
    assert row["prompt_tokens"] > 0


def test_stream_that_breaks_off_still_ends_with_done(gateway: RunningGateway, mocks: Mocks) -> None:
    mocks.openai.script(None, fault=Fault(error_event_at=5))
    body = json.dumps({"model": "gpt", "messages": HELLO, "stream": True}).encode()

    with Connection(gateway.port) as connection:
        connection.send(request_bytes(CHAT, body, token=TOKEN))
        answer = connection.answer()

    events = answer.body.split(b"\n\n")
    assert events[-2:] == [b"data: [DONE]", b""]
    assert b'"error"' in events[-3]


@pytest.mark.parametrize("stream", [False, True])
def test_client_that_disconnects_closes_the_upstream_within_a_second(
    gateway: RunningGateway, mocks: Mocks, model: str, stream: bool
) -> None:
    upstream = upstream_of(mocks, model)
    upstream.script(None, fault=Fault(stall_after=6) if stream else Fault(first_byte_delay_s=30.0))
    body = json.dumps({"model": model, "messages": HELLO, "stream": stream}).encode()

    with Connection(gateway.port) as connection:
        connection.send(request_bytes(CHAT, body, token=TOKEN))
        if stream:
            connection.read_until(b'"content":"')
        upstream.wait_for(lambda: bool(upstream.ledger))
        time.sleep(0.05)
    closed_at = time.monotonic()

    exchange = upstream.ledger[0].exchange
    upstream.wait_for(lambda: exchange.client_closed_at is not None, timeout_s=5.0)
    assert exchange.client_closed_at is not None
    assert exchange.client_closed_at - closed_at < 1.0
    row = gateway.rows(1)[0]
    assert (row["status"], row["error_kind"]) == (499, "caller_disconnected")
    if stream:
        assert row["usage_source"] in {"provider_partial", "estimated"}
        assert isinstance(row["completion_tokens"], int)
        assert row["completion_tokens"] > 0


def test_second_deployment_serves_when_the_first_cannot(
    client: openai.OpenAI, gateway: RunningGateway, mocks: Mocks
) -> None:
    mocks.openai.always(None, Fault(error=401))

    answer = client.chat.completions.with_raw_response.create(model="two", messages=HELLO)

    assert answer.headers["x-aqueduct-provider"] == "anthropic"
    assert answer.headers["x-aqueduct-attempts"] == "2"
    assert answer.parse().model == "two"
    row = gateway.rows(1)[0]
    assert (row["provider"], row["upstream_model"], row["attempts"]) == ("anthropic", "claude-sonnet-4-6", 2)


def test_silence_in_a_stream_is_filled_with_comments(gateway: RunningGateway, mocks: Mocks) -> None:
    mocks.openai.script(None, fault=Fault(stall_after=6))
    body = json.dumps({"model": "gpt", "messages": HELLO, "stream": True}).encode()

    with Connection(gateway.port) as connection:
        connection.send(request_bytes(CHAT, body, token=TOKEN))
        begun = time.monotonic()
        connection.read_until(b": ping\n\n")

    assert 0.5 < time.monotonic() - begun < 5.0


@pytest.mark.parametrize("fault", [Fault(split=1), Fault(split=7, crlf=True, comments=True), Fault(gzip=True)])
def test_stream_means_the_same_however_the_bytes_arrive(
    client: openai.OpenAI, gateway: RunningGateway, mocks: Mocks, model: str, fault: Fault
) -> None:
    def text_of() -> tuple[str, list[str]]:
        chunks = list(client.chat.completions.create(model=model, messages=HELLO, stream=True))
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
        return text, [chunk.choices[0].finish_reason or "" for chunk in chunks if chunk.choices[0].finish_reason]

    plain = text_of()
    upstream_of(mocks, model).script(None, fault=fault)

    assert text_of() == plain
    first, second = gateway.rows(2)
    for counter in ("prompt_tokens", "completion_tokens", "usage_source"):
        assert first[counter] == second[counter]


def test_client_that_leaves_before_an_answer_is_booked_with_its_prompt(gateway: RunningGateway, mocks: Mocks) -> None:
    mocks.openai.script(None, fault=Fault(first_byte_delay_s=30.0))
    body = json.dumps({"model": "gpt", "messages": HELLO}).encode()

    with Connection(gateway.port) as connection:
        connection.send(request_bytes(CHAT, body, token=TOKEN))
        mocks.openai.wait_for(lambda: bool(mocks.openai.ledger))

    row = gateway.rows(1)[0]
    assert (row["status"], row["usage_source"], row["completion_tokens"]) == (499, "estimated", 0)
    assert isinstance(row["prompt_tokens"], int)
    assert row["prompt_tokens"] > 0


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_client_that_leaves_several_answers_is_booked_with_a_prompt_for_each(
    gateway: RunningGateway, mocks: Mocks, stream: bool
) -> None:
    mocks.anthropic.always(None, Fault(first_byte_delay_s=30.0))
    for answers in (1, 3):
        body = json.dumps({"model": "claude", "messages": HELLO, "n": answers, "stream": stream}).encode()
        before = len(mocks.anthropic.ledger)
        with Connection(gateway.port) as connection:
            connection.send(request_bytes(CHAT, body, token=TOKEN))
            mocks.anthropic.wait_for(lambda all_of=before + answers: len(mocks.anthropic.ledger) == all_of)
        gateway.rows(1 if answers == 1 else 2)

    one, three = gateway.rows(2)
    assert [one["status"], three["status"]] == [499, 499]
    assert one["prompt_tokens"] > 0
    assert three["prompt_tokens"] == 3 * one["prompt_tokens"]


def test_refused_credentials_tell_the_client_not_to_try_again(client: openai.OpenAI, mocks: Mocks) -> None:
    mocks.openai.always(None, Fault(error=401))

    with pytest.raises(openai.InternalServerError) as caught:
        client.with_options(max_retries=2).chat.completions.create(model="gpt", messages=HELLO)

    assert caught.value.response.headers["x-should-retry"] == "false"
    assert len(mocks.openai.ledger) == 1


def test_overloaded_provider_without_a_hint_still_says_when_to_come_back(
    client: openai.OpenAI, gateway: RunningGateway, mocks: Mocks
) -> None:
    del gateway
    mocks.anthropic.always(None, Fault(error=529))

    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model="claude", messages=HELLO)

    assert caught.value.response.headers["retry-after"] == "5"


def test_provider_that_is_silent_before_its_first_content_is_covered_by_comments(
    gateway: RunningGateway, mocks: Mocks, model: str
) -> None:
    upstream_of(mocks, model).script(None, fault=Fault(first_byte_delay_s=2.5))
    body = json.dumps({"model": model, "messages": HELLO, "stream": True}).encode()

    with Connection(gateway.port) as connection:
        connection.send(request_bytes(CHAT, body, token=TOKEN))
        begun = time.monotonic()
        connection.read_until(b": ping\n\n")
        waited = time.monotonic() - begun
        rest = connection.read_until(b"data: [DONE]")

    assert waited < 2.0, "the comment came with the answer"
    assert rest.count(b'"role":"assistant"') == 1
    row = gateway.rows(1)[0]
    assert (row["status"], row["usage_source"], row["attempts"]) == (200, "provider", 1)


def test_failure_after_silence_is_told_as_an_event(
    client: openai.OpenAI, gateway: RunningGateway, mocks: Mocks
) -> None:
    mocks.openai.always(None, Fault(error=401, first_byte_delay_s=1.5))

    with pytest.raises(openai.APIError) as caught:
        list(client.chat.completions.create(model="gpt", messages=HELLO, stream=True))

    assert isinstance(caught.value.body, dict)
    assert caught.value.body["code"] == "upstream_credentials"
    assert gateway.rows(1)[0]["error_kind"] == "provider_credentials"


def test_deployment_that_cannot_do_the_operation_is_left_out(client: openai.OpenAI, gateway: RunningGateway) -> None:
    for _ in range(4):  # `two` has an Anthropic deployment, which has no legacy completions
        assert client.completions.create(model="two", prompt="Once upon", max_tokens=5).choices[0].text

    assert {row["provider"] for row in gateway.rows(4)} == {"openai"}


def test_slow_reader_gets_every_byte_and_holds_its_provider_back(gateway: RunningGateway, mocks: Mocks) -> None:
    count, text = 2_500, "x" * 16_000
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    delta = data_event({**chunk, "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]})
    usage = {"prompt_tokens": 1, "completion_tokens": count, "total_tokens": count + 1}
    last = data_event({**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": usage})
    mocks.openai.script(sse_reply((delta,) * count + (last, b"data: [DONE]\n\n")))

    with Connection(gateway.port) as client:
        client.send(chat_request("Tell me something.", "gpt", token=TOKEN, stream=True))
        mocks.openai.wait_for(lambda: bool(mocks.openai.exchanges))
        exchange = mocks.openai.exchanges[0]
        held_at = -1
        while held_at != exchange.bytes_sent:  # until it stands still
            held_at = exchange.bytes_sent
            time.sleep(0.3)
        assert held_at < count * len(delta) // 2
        answer = bytearray()
        while b"data: [DONE]" not in answer[-100:]:
            answer += client.socket.recv(1 << 20)

    assert answer.count(text.encode()) == count
    assert gateway.rows(1)[0]["completion_tokens"] == count
