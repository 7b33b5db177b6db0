"""Failures of every provider as the client is told of them: status, type, code, param, and what must not be told.

Three tables, written from the providers' documents and from BEHAVIOUR's table of errors, never from the adapters: each
provider's own error bodies (in `error_tables`), the errors of the recordings, those of public reports. Traps 19, 20 and
24.
"""

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

import openai
import pytest
from error_tables import (
    CREDENTIALS,
    FAILED,
    FILTERED,
    INVALID,
    LIMITED,
    NO_MODEL,
    OVERLOADED,
    TABLE,
    TOO_LONG,
    UNSUPPORTED,
    Case,
    Told,
    anthropic_error,
    google_error,
    openai_error,
    routed,
)
from gateway_fixtures import Mocks
from running_gateway import TOKEN, RunningGateway
from test_gateway_recordings import HELLO, LANES, Lane, read_through
from upstreams import Upstream, json_reply
from upstreams.aws_frames import frame
from upstreams.recordings import reported_errors
from upstreams.wire import Reply, data_event, frames_reply, sse_reply

MOCKS = {
    "gpt": "openai",
    "llama": "compatible",
    "mistral": "mistral",
    "gpt-azure": "azure",
    "claude": "anthropic",
    "gemini": "google",
    "vertex-gemini": "vertex",
    "vertex-claude": "vertex_claude",
    "bedrock": "bedrock",
    "cohere": "cohere",
    "openrouter": "openrouter",
    "ollama-chat": "ollama",
}
CASES = [(model, name) for model, cases in TABLE.items() for name in cases]


@pytest.fixture
def client(gateway: RunningGateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=gateway.url, api_key=TOKEN, max_retries=0) as client:
        yield client


def reply_of(case: Case) -> Reply:
    headers = (("retry-after", "0"), *case.headers)
    if isinstance(case.body, str):
        return Reply(case.status, (("content-type", "text/html"), *headers), (case.body.encode(),))
    return json_reply(case.body, case.status, headers)


def told_by(error: openai.APIStatusError) -> Told:
    body = error.body
    assert isinstance(body, dict)
    filters = {"innererror"} if body["code"] == "content_filter" else set()
    assert set(body) - filters == {"message", "type", "param", "code"}
    for secret in ("canary", "internal.example", "127.0.0.1"):
        assert secret not in json.dumps(body)
        assert secret not in str(sorted(error.response.headers.items()))
    return Told(error.status_code, body["type"], body["code"], body["param"])


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("model", "name"), CASES)
def test_failure_is_told_as_the_table_says(
    client: openai.OpenAI, gateway: RunningGateway, mocks: Mocks, model: str, name: str, stream: bool
) -> None:
    case = TABLE[model][name]
    upstream: Upstream = getattr(mocks, MOCKS[model])
    upstream.always(reply_of(case))
    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(model=model, messages=HELLO, stream=stream)
    assert told_by(caught.value) == case.told
    row = gateway.rows(1)[0]
    assert row["status"] == case.told.status
    if dict(case.headers).get("x-amzn-requestid"):
        assert row["upstream_request_id"] == "upstream-1"


REQUEST_IDS = {
    "gpt": ("x-request-id", "req_1"),
    "gpt-azure": ("apim-request-id", "req_1"),
    "claude": ("request-id", "req_body"),  # the body's own comes first
    "bedrock": ("x-amzn-requestid", "req_1"),
    "cohere": ("x-debug-trace-id", "req_1"),
    "mistral": ("mistral-correlation-id", "req_1"),
    "openrouter": ("x-generation-id", "req_1"),
    "ollama-chat": ("x-request-id", "req_1"),
    "gemini": ("x-request-id", "req_1"),
    "vertex-claude": ("request-id", "req_body"),
    "llama": ("x-request-id", "req_1"),
}


@pytest.mark.parametrize("model", REQUEST_IDS)
def test_providers_request_id_is_kept_for_the_log(
    client: openai.OpenAI, gateway: RunningGateway, mocks: Mocks, model: str
) -> None:
    header, expected = REQUEST_IDS[model]
    case = TABLE[model]["invalid"]
    upstream: Upstream = getattr(mocks, MOCKS[model])
    others = tuple(pair for pair in case.headers if pair[0] != header)
    upstream.always(reply_of(case._replace(headers=((header, "req_1"), *others))))
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model=model, messages=HELLO)
    assert gateway.rows(1)[0]["upstream_request_id"] == expected


# --- recordings and reports, judged by status and words

WORDS = (
    (r"(incorrect|invalid) api key|authentication fails|no cookie auth|x-api-key", CREDENTIALS),
    (r"insufficient_quota", CREDENTIALS),
    (
        (
            r"model.{0,80}(not found|does not exist|not a valid model|identifier is invalid|end of its life)"
            r"|not a valid model id|invalid model|supported api model names|not found for api version"
        ),
        NO_MODEL,
    ),
    (r"maximum context length|prompt (is )?too long|maximum number of tokens|too large to process", TOO_LONG),
    (r"content_filter|content management policy", FILTERED),
    (r"unsupported_parameter|image input is not supported", UNSUPPORTED),
)
STATUSES = {
    400: INVALID,
    401: CREDENTIALS,
    402: CREDENTIALS,
    403: CREDENTIALS,
    404: NO_MODEL,
    422: INVALID,
    429: LIMITED,
    500: FAILED,
    501: FAILED,
    503: OVERLOADED,
    529: OVERLOADED,
}


def judged(status: int, body: bytes) -> Told:
    """What a client must be told of a provider's failure; the param is left open."""
    text = body.decode()
    expected = STATUSES[status]
    for pattern, told in WORDS:
        is_open = status in {400, 500} or (status == 429 and told is CREDENTIALS)
        if is_open and re.search(pattern, text, re.IGNORECASE | re.DOTALL):
            expected = told
            break
    if expected is INVALID:
        error = json.loads(text).get("error")
        code = error.get("code") if isinstance(error, dict) else None
        if isinstance(code, str) and code != "invalid_request_error" and re.fullmatch(r"[a-z][a-z0-9_]+", code):
            expected = INVALID._replace(code=code)
    return expected._replace(param=None)


FAILED_LANES = [lane for lane in LANES if lane.recording.status >= 400]


@pytest.mark.parametrize("lane", FAILED_LANES, ids=lambda lane: f"{lane.recording.name}-{lane.model}")
def test_recorded_failure_is_told_by_its_status_and_words(gateway: RunningGateway, mocks: Mocks, lane: Lane) -> None:
    upstream: Upstream = getattr(mocks, lane.mock)
    upstream.always(lane.recording)
    told: list[Told] = []
    with openai.OpenAI(base_url=gateway.url, api_key=TOKEN, max_retries=0) as client:
        client._make_status_error = keeping(told)  # type: ignore[method-assign] - what the client makes of the body
        read_through(client, lane, 1)
    assert [one._replace(param=None) for one in told] == [judged(lane.recording.status, lane.recording.body)]
    assert re.search(r"https?://|\*{4}", json.dumps(gateway.rows(1)[0], default=str)) is None


def keeping(told: list[Told]):
    """Note what the client is told, and raise it as the client does."""
    made = openai.OpenAI(api_key="k")._make_status_error

    def make(message: str, *, body: object, response):
        error = made(message, body=body, response=response)
        told.append(told_by(error))
        return error

    return make


REPORTED_LANES = {"anthropic": "claude", "openai": "gpt", "azure": "gpt-azure", "bedrock": "bedrock"}
REPORTED = [entry for provider in REPORTED_LANES for entry in reported_errors(provider) if entry["status"] != 200]


@pytest.mark.parametrize("entry", REPORTED, ids=lambda entry: f"{entry['provider']}-{entry['status']}")
def test_reported_failure_is_told_by_its_status_and_words(client: openai.OpenAI, mocks: Mocks, entry: dict) -> None:
    model = REPORTED_LANES[entry["provider"]]
    upstream: Upstream = getattr(mocks, MOCKS[model])
    headers = tuple(entry.get("headers", {}).items())
    upstream.always(json_reply(entry["body"], entry["status"], tuple(h for h in headers if h[0] != "content-type")))
    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(model=model, messages=HELLO)
    assert told_by(caught.value)._replace(param=None) == judged(entry["status"], json.dumps(entry["body"]).encode())


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_refused_prompt_says_which_filters_met(client: openai.OpenAI, mocks: Mocks, stream: bool) -> None:
    """Azure's clients read it from `innererror`; nothing else that stands there is told."""
    [entry] = reported_errors("azure")
    inner = entry["body"]["error"]["innererror"]
    body = {"error": {**entry["body"]["error"], "innererror": {**inner, "revised_prompt": "canary"}}}
    mocks.azure.always(json_reply(body, entry["status"]))
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="gpt-azure", messages=HELLO, stream=stream)
    assert caught.value.code == "content_filter"
    assert caught.value.body["innererror"] == inner


# --- errors inside a 200

CHUNK = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
SAID = CHUNK | {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hello"}, "finish_reason": None}]}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "c",
    "content": [],
    "stop_reason": None,
    "stop_sequence": None,
    "usage": {"input_tokens": 9, "output_tokens": 1},
}
CLAUDE_SAID = (
    data_event({"type": "message_start", "message": MESSAGE}, "message_start"),
    data_event(
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        "content_block_start",
    ),
    data_event(
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}},
        "content_block_delta",
    ),
)
GEMINI_SAID = data_event({"candidates": [{"content": {"role": "model", "parts": [{"text": "Hello"}]}}]})
CONVERSE_SAID = (
    frame("messageStart", {"role": "assistant"}),
    frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Hello"}}),
)


def line(value: object) -> bytes:
    """A line of Ollama's stream."""
    return json.dumps(value).encode() + b"\n"


OLLAMA_SAID = line({"model": "m", "message": {"role": "assistant", "content": "Hello"}, "done": False})


class Inside(NamedTuple):
    """A failure inside a 200: the events up to the first content, the failure, and what the client is told."""

    model: str
    said: tuple[bytes, ...]
    failure: bytes
    told: Told


INSIDE = {
    "vLLM": Inside(
        "llama", (data_event(SAID),), data_event(openai_error("Oops.", None, "InternalServerError")), FAILED
    ),
    "vLLM's context": Inside(
        "llama",
        (data_event(SAID),),
        data_event({"error": {"message": "maximum context length is 8 tokens", "code": 400}}),
        TOO_LONG,
    ),
    "OpenAI": Inside(
        "gpt", (data_event(SAID),), data_event(openai_error("Oops.", "server_error", "server_error")), FAILED
    ),
    "Azure": Inside("gpt-azure", (data_event(SAID),), data_event(openai_error("x", "content_filter")), FILTERED),
    "OpenRouter": Inside(
        "on-openrouter",
        (data_event(SAID),),
        data_event(CHUNK | {"error": {"code": 502, "message": "Provider disconnected"}, "choices": []}),
        FAILED,
    ),
    "OpenRouter's own adapter": Inside(
        "openrouter",
        (data_event(SAID),),
        data_event(CHUNK | routed(502, "Provider disconnected") | {"choices": []}),
        FAILED,
    ),
    "Ollama": Inside("ollama-chat", (OLLAMA_SAID,), line({"error": "an error was encountered while running"}), FAILED),
    "Ollama's context": Inside(
        "ollama-chat", (OLLAMA_SAID,), line({"error": "the input length exceeds the context length"}), TOO_LONG
    ),
    "Anthropic's load": Inside(
        "claude", CLAUDE_SAID, data_event(anthropic_error("overloaded_error"), "error"), OVERLOADED
    ),
    "Anthropic's failure": Inside("claude", CLAUDE_SAID, data_event(anthropic_error("api_error"), "error"), FAILED),
    "Claude on Vertex": Inside(
        "vertex-claude", CLAUDE_SAID, data_event(anthropic_error("overloaded_error"), "error"), OVERLOADED
    ),
    "Gemini": Inside("gemini", (GEMINI_SAID,), data_event(google_error(503, "UNAVAILABLE")), OVERLOADED),
    "Gemini on Vertex": Inside(
        "vertex-gemini", (GEMINI_SAID,), data_event(google_error(429, "RESOURCE_EXHAUSTED")), LIMITED
    ),
    "Bedrock's limit": Inside(
        "bedrock", CONVERSE_SAID, frame("throttlingException", {"message": "Slow."}, kind="exception"), LIMITED
    ),
    "Bedrock's failure": Inside(
        "bedrock", CONVERSE_SAID, frame("modelStreamErrorException", {"message": "Oops."}, kind="exception"), FAILED
    ),
    "Bedrock's load": Inside(
        "bedrock", CONVERSE_SAID, frame("serviceUnavailableException", {"message": "x"}, kind="exception"), OVERLOADED
    ),
}


def read_on(client: openai.OpenAI, model: str, said: list[str]) -> None:
    """Note what a stream says until it ends or fails."""
    with client.chat.completions.create(model=model, messages=HELLO, stream=True) as stream:
        for chunk in stream:
            said += [choice.delta.content or "" for choice in chunk.choices]


def stream_of(model: str, events: tuple[bytes, ...]) -> Reply:
    if model == "ollama-chat":
        return Reply(200, (("content-type", "application/x-ndjson"),), events, streamed=True)
    return frames_reply(events) if model == "bedrock" else sse_reply(events)


@pytest.mark.parametrize("name", INSIDE)
def test_failure_inside_a_200_before_content_is_told_with_its_status(
    client: openai.OpenAI, gateway: RunningGateway, mocks: Mocks, name: str
) -> None:
    inside = INSIDE[name]
    upstream: Upstream = getattr(mocks, MOCKS.get(inside.model, "compatible"))
    upstream.always(stream_of(inside.model, (inside.failure,)))
    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(model=inside.model, messages=HELLO, stream=True)
    assert told_by(caught.value) == inside.told
    assert gateway.rows(1)[0]["status"] == inside.told.status


@pytest.mark.parametrize("name", INSIDE)
def test_failure_inside_a_200_after_content_ends_the_stream_with_an_error(
    client: openai.OpenAI, gateway: RunningGateway, mocks: Mocks, name: str
) -> None:
    inside = INSIDE[name]
    upstream: Upstream = getattr(mocks, MOCKS.get(inside.model, "compatible"))
    upstream.always(stream_of(inside.model, (*inside.said, inside.failure)))
    said: list[str] = []
    with pytest.raises(openai.APIError) as caught:
        read_on(client, inside.model, said)
    assert "".join(said) == "Hello"
    body = caught.value.body
    assert isinstance(body, dict)
    assert (body["type"], body["code"]) == (inside.told.type, inside.told.code)
    assert gateway.rows(1)[0]["error_kind"]
