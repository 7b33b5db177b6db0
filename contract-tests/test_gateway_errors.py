"""Failures of every provider as the client is told of them: status, type, code, param, and what must not be told.

Three tables, written from the providers' documents and from BEHAVIOUR's table of errors, never from the adapters: each
provider's own error bodies, the errors of the recordings, those of public reports. Traps 19, 20 and 24.
"""

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

import openai
import pytest
from gateway_fixtures import Mocks
from running_gateway import TOKEN, RunningGateway
from test_gateway_recordings import HELLO, LANES, Lane, read_through
from upstreams import Upstream, json_reply
from upstreams.aws_frames import frame
from upstreams.recordings import reported_errors
from upstreams.wire import Reply, data_event, frames_reply, sse_reply

SECRETS = "sk-proj-canary0123456789abcdef https://internal.example/path?key=canary-in-a-url"


class Told(NamedTuple):
    """What the client gets."""

    status: int
    type: str
    code: str
    param: str | None = None


INVALID = Told(400, "invalid_request_error", "invalid_request")
UNSUPPORTED = Told(400, "invalid_request_error", "unsupported_parameter")
TOO_LONG = Told(400, "invalid_request_error", "context_length_exceeded", "messages")
POLICY = Told(400, "invalid_request_error", "content_policy_violation")
FILTERED = Told(400, "invalid_request_error", "content_filter")
TOO_LARGE = Told(413, "invalid_request_error", "request_too_large")
NO_MODEL = Told(404, "invalid_request_error", "model_not_found", "model")
CREDENTIALS = Told(502, "server_error", "upstream_credentials")
LIMITED = Told(429, "rate_limit_error", "upstream_rate_limited")
OVERLOADED = Told(503, "server_error", "upstream_overloaded")
FAILED = Told(502, "server_error", "upstream_error")
LATE = Told(504, "server_error", "upstream_timeout")


class Case(NamedTuple):
    """What a provider answers, and what the client is told of it."""

    status: int
    body: object
    told: Told
    headers: tuple[tuple[str, str], ...] = ()


def openai_error(message: str, code: str | None = None, kind: str = "invalid_request_error", **more: object) -> dict:
    return {"error": {"message": message, "type": kind, "param": None, "code": code} | more}


def anthropic_error(kind: str, message: str = "Something.") -> dict:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_body"}


def google_error(status: int, name: str, message: str = "Something.", reason: str | None = None) -> dict:
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}] if reason else []
    return {"error": {"code": status, "message": message, "status": name, "details": details}}


def aws(status: int, name: str, message: str, told: Told) -> Case:
    headers = (("x-amzn-errortype", f"{name}:http://internal.amazon.com/coral/"), ("x-amzn-requestid", "upstream-1"))
    return Case(status, {"message": message}, told, headers)


OPENAI = {
    "invalid": Case(
        400, openai_error("No.", param="messages[0].content"), INVALID._replace(param="messages[0].content")
    ),
    "slug": Case(400, openai_error("No.", "invalid_value", param="n"), Told(400, INVALID.type, "invalid_value", "n")),
    "unsupported": Case(
        400, openai_error("No.", "unsupported_parameter", param="stop"), UNSUPPORTED._replace(param="stop")
    ),
    "context": Case(400, openai_error("Long.", "context_length_exceeded", param="messages"), TOO_LONG),
    "context in words": Case(400, openai_error("This model's maximum context length is 8192 tokens."), TOO_LONG),
    "context, vLLM": Case(
        400, {"object": "error", "message": "This model's maximum context length is 8 tokens.", "code": 400}, TOO_LONG
    ),
    "context, SGLang": Case(
        400,
        {"object": "error", "message": "The input (9 tokens) is longer than the model's context length (8)."},
        TOO_LONG,
    ),
    "context, xAI": Case(
        400, {"code": "x", "error": "This model's maximum prompt length is 8 but 9 were sent."}, TOO_LONG
    ),
    "no context: a long string": Case(
        400,
        openai_error("maximum context length is", "string_above_max_length"),
        Told(400, INVALID.type, "string_above_max_length"),
    ),
    "policy": Case(400, openai_error("No.", "content_policy_violation"), POLICY),
    "key": Case(401, openai_error(f"Incorrect API key provided: {SECRETS}", "invalid_api_key"), CREDENTIALS),
    "key under 400": Case(400, {"code": "x", "error": "Incorrect API key provided."}, CREDENTIALS),
    "money": Case(402, {"detail": "Payment required"}, CREDENTIALS),
    "forbidden": Case(403, openai_error("No.", "forbidden"), CREDENTIALS),
    "model": Case(404, openai_error("No.", "model_not_found"), NO_MODEL),
    "model under 400": Case(400, {"error": {"code": 400, "message": "a/b is not a valid model ID"}}, NO_MODEL),
    "large": Case(413, "", TOO_LARGE),
    "validation": Case(422, {"detail": [{"loc": ["body"], "msg": "field required"}]}, INVALID),
    "limit": Case(429, openai_error("Slow down.", "rate_limit_exceeded", "tokens"), LIMITED),
    "quota": Case(429, openai_error("Pay.", "insufficient_quota", "insufficient_quota"), CREDENTIALS),
    "server": Case(500, openai_error("Oops.", None, "server_error"), FAILED),
    "page": Case(502, "<html>Bad gateway at https://internal.example</html>", FAILED),
    "busy": Case(503, openai_error("Busy.", None, "overloaded"), OVERLOADED),
    "late": Case(504, "", LATE),
}
TABLE: dict[str, dict[str, Case]] = {
    "gpt": OPENAI,
    "llama": OPENAI,
    "gpt-azure": OPENAI
    | {
        "filter": Case(
            400,
            openai_error(
                "The response was filtered.",
                "content_filter",
                param="prompt",
                innererror={"code": "ResponsibleAIPolicyViolation"},
            ),
            FILTERED._replace(param="prompt"),
        ),
        "deployment": Case(404, {"error": {"code": "DeploymentNotFound", "message": "No."}}, NO_MODEL),
        "subscription": Case(
            401, {"error": {"code": "401", "message": "Access denied due to invalid key."}}, CREDENTIALS
        ),
    },
    "claude": {
        "invalid": Case(
            400,
            anthropic_error("invalid_request_error", "temperature: range: 0..1"),
            INVALID._replace(param="temperature"),
        ),
        "context": Case(
            400, anthropic_error("invalid_request_error", "prompt is too long: 9 tokens > 8 maximum"), TOO_LONG
        ),
        "context with output": Case(
            400,
            anthropic_error("invalid_request_error", "input length and `max_tokens` exceed context limit: 9 > 8"),
            TOO_LONG,
        ),
        "policy": Case(
            400, anthropic_error("invalid_request_error", "Output blocked by content filtering policy"), POLICY
        ),
        "credit": Case(
            400, anthropic_error("invalid_request_error", "Your credit balance is too low to access it."), CREDENTIALS
        ),
        "key": Case(401, anthropic_error("authentication_error", f"invalid x-api-key {SECRETS}"), CREDENTIALS),
        "money": Case(402, anthropic_error("billing_error"), CREDENTIALS),
        "forbidden": Case(403, anthropic_error("permission_error"), CREDENTIALS),
        "model": Case(404, anthropic_error("not_found_error", "model: claude-0"), NO_MODEL),
        "large": Case(413, anthropic_error("request_too_large"), TOO_LARGE),
        "limit": Case(429, anthropic_error("rate_limit_error"), LIMITED),
        "server": Case(500, anthropic_error("api_error"), FAILED),
        "late": Case(504, anthropic_error("timeout_error"), LATE),
        "busy": Case(529, anthropic_error("overloaded_error"), OVERLOADED),
        "page": Case(502, "<html></html>", FAILED),
    },
    "gemini": {
        "invalid": Case(400, google_error(400, "INVALID_ARGUMENT"), INVALID),
        "context": Case(
            400,
            google_error(
                400, "INVALID_ARGUMENT", "The input token count (9) exceeds the maximum number of tokens allowed (8)."
            ),
            TOO_LONG,
        ),
        "key": Case(
            400, google_error(400, "INVALID_ARGUMENT", f"API key not valid. {SECRETS}", "API_KEY_INVALID"), CREDENTIALS
        ),
        "precondition": Case(400, google_error(400, "FAILED_PRECONDITION", "User location is not supported."), FAILED),
        "forbidden": Case(403, google_error(403, "PERMISSION_DENIED"), CREDENTIALS),
        "model": Case(404, google_error(404, "NOT_FOUND"), NO_MODEL),
        "limit": Case(429, google_error(429, "RESOURCE_EXHAUSTED"), LIMITED),
        "server": Case(500, google_error(500, "INTERNAL"), FAILED),
        "busy": Case(503, google_error(503, "UNAVAILABLE"), OVERLOADED),
        "late": Case(504, google_error(504, "DEADLINE_EXCEEDED"), LATE),
        "page": Case(502, "<html></html>", FAILED),
    },
    "bedrock": {
        "invalid": aws(400, "ValidationException", "This model doesn't support the video content block.", INVALID),
        "context": aws(400, "ValidationException", "Input is too long for requested model.", TOO_LONG),
        "context, Nova": aws(400, "ValidationException", "Input Tokens Exceeded: 9 is more than 8.", TOO_LONG),
        "policy": aws(400, "ValidationException", "Output blocked by content filtering policy", POLICY),
        "model id": aws(400, "ValidationException", "The provided model identifier is invalid.", NO_MODEL),
        "key": aws(403, "UnrecognizedClientException", f"The token is invalid. {SECRETS}", CREDENTIALS),
        "expired": aws(403, "ExpiredTokenException", "The security token is expired", CREDENTIALS),
        "forbidden": aws(403, "AccessDeniedException", "You don't have access.", CREDENTIALS),
        "model": aws(404, "ResourceNotFoundException", "Not found.", NO_MODEL),
        "model late": aws(408, "ModelTimeoutException", "Late.", LATE),
        "model failed": aws(424, "ModelErrorException", "Failed.", FAILED),
        "limit": aws(429, "ThrottlingException", "Too many tokens, please wait before trying again.", LIMITED),
        "quota": aws(400, "ServiceQuotaExceededException", "Quota.", LIMITED),
        "not ready": aws(429, "ModelNotReadyException", "Not ready.", OVERLOADED),
        "server": aws(500, "InternalServerException", "Oops.", FAILED),
        "busy": aws(503, "ServiceUnavailableException", "Busy.", OVERLOADED),
    },
    "cohere": {
        "invalid": Case(400, {"message": "invalid request: message must be at least 1 token long"}, INVALID),
        "context": Case(400, {"message": "too many tokens: size limit exceeded by 9 tokens."}, TOO_LONG),
        "policy": Case(400, {"message": "your request was blocked by our filters"}, POLICY),
        "key": Case(401, {"id": "upstream-1", "message": f"invalid api token {SECRETS}"}, CREDENTIALS),
        "model": Case(404, {"message": "model 'x' not found, make sure the correct model ID was used"}, NO_MODEL),
        "limit": Case(429, {"message": "You are using a Trial key, which is limited to 40 calls / minute."}, LIMITED),
        "denied token": Case(498, {"message": "blocked"}, POLICY),
        "server": Case(500, {"message": "internal"}, FAILED),
        "busy": Case(503, {"message": "busy"}, OVERLOADED),
        "late": Case(504, {"message": "late"}, LATE),
    },
}
TABLE["mistral"] = OPENAI | {
    "model": Case(
        400, {"object": "error", "message": "Invalid model: x", "type": "invalid_model", "code": "1500"}, NO_MODEL
    ),
    "context": Case(
        400,
        {"object": "error", "message": "Prompt contains 9 tokens, too large for model with 8 maximum context length"},
        TOO_LONG,
    ),
}
TABLE["vertex-gemini"] = TABLE["gemini"]
TABLE["vertex-claude"] = {name: case for name, case in TABLE["claude"].items() if name != "page"} | {
    "google's limit": Case(429, google_error(429, "RESOURCE_EXHAUSTED"), LIMITED),
    "google's key": Case(401, google_error(401, "UNAUTHENTICATED"), CREDENTIALS),
}
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
    assert set(body) == {"message", "type", "param", "code"}
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
