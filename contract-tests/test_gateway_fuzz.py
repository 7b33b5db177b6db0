"""Requests that nobody would write by hand: answers are 2xx, 4xx or a provider's mapped refusal, always in one form."""

import json
import time
from collections.abc import Iterator

import pytest
import schemathesis
from gateway_fixtures import Mocks
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from raw_http import Answer, ask, request_bytes
from running_gateway import TOKEN, RunningGateway
from schemathesis import GenerationMode
from schemathesis.core import NotSet

CHAT = "/v1/chat/completions"
HELLO: dict[str, object] = {"model": "echo", "messages": [{"role": "user", "content": "hello"}]}
MODELS = ["echo", "gpt", "claude", "gemini"]
ENDPOINTS = {
    "POST": [CHAT, "/v1/completions", "/v1/embeddings", "/validate"],
    "GET": ["/v1/models", "/v1/models/{model}", "/v1/me", "/validate", "/health/live", "/health/ready", "/metrics"],
}
fuzzed = settings(
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def hold(answer: Answer) -> None:
    """Hold an answer to the promises that all answers keep."""
    assert answer.status < 500, (answer.status, answer.body[:500])
    assert answer.headers.get("x-request-id")
    if answer.status >= 400:
        answer.error()


def post(gateway: RunningGateway, body: bytes, path: str = CHAT) -> Answer:
    return ask(gateway.port, request_bytes(path, body, token=TOKEN), timeout_s=20.0)


@pytest.fixture(scope="session")
def operations(session_gateway: RunningGateway) -> schemathesis.BaseSchema:
    served = ask(session_gateway.port, request_bytes("/schema", method="GET")).json()
    return schemathesis.openapi.from_dict(served)


@pytest.mark.parametrize(
    ("method", "path", "mode"),
    [
        (method, path, mode)
        for method in ENDPOINTS
        for path in ENDPOINTS[method]
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
        if method != "GET" or mode is GenerationMode.POSITIVE  # nothing but the path could be wrong
    ],
)
def test_generated_requests_get_an_answer_in_the_one_form(
    gateway: RunningGateway, operations: schemathesis.BaseSchema, method: str, path: str, mode: GenerationMode
) -> None:
    operation = operations[path][method]

    @settings(fuzzed, max_examples=25)
    @given(operation.as_strategy(generation_mode=mode))
    def check(case: schemathesis.Case) -> None:
        body = _encoded(case.body)
        target = case.formatted_path if case.path_parameters else path
        if not target.isascii() or not target.isprintable() or " " in target:
            return
        answer = ask(gateway.port, request_bytes(target, body, token=TOKEN, method=method), timeout_s=20.0)
        hold(answer)

    check()


def _encoded(body: object) -> bytes:
    """Encode a generated body; one with a model gets one that exists, so that it comes as far as an adapter."""
    if isinstance(body, NotSet):
        return b""
    if isinstance(body, bytes):
        return body
    if isinstance(body, dict) and isinstance(body.get("model"), str):
        body = {**body, "model": "echo"}
    return json.dumps(body).encode()


RICH: dict[str, object] = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"}},
        ]},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"at": 1}'}}]},
        {"role": "tool", "tool_call_id": "call_1", "content": "a cat"},
        {"role": "user", "content": "And now?"},
    ],
    "tools": [{"type": "function", "function": {"name": "look", "parameters": {
        "type": "object", "properties": {"at": {"type": "integer"}}}}}],
    "tool_choice": "auto",
    "temperature": 0.5,
    "max_tokens": 50,
    "stop": ["END"],
    "response_format": {"type": "text"},
    "metadata": {"a": "b"},
    "user": "someone",
}  # fmt: skip
ODD: list[object] = [
    None, True, 0, -1, 2**31, 2**63, 10**40, 1e308, float("nan"), float("inf"), "", " ", "\0", "\ud800", "\u202e",
    "x" * 5000,
    [], {}, [[]], [None], {"": ""}, {"type": "hologram"}, {"type": "text"}, "../../etc/passwd", "data:,", "http://[::1",
]  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, object]:
    """A valid request with one to three places deleted, replaced, repeated or wrapped."""
    body: dict[str, object] = json.loads(json.dumps(RICH))
    for _ in range(draw(st.integers(1, 3))):
        holder, key = draw(st.sampled_from(list(_places(body))))
        match draw(st.sampled_from(["delete", "replace", "repeat", "wrap", "rename"])):
            case "delete":
                del holder[key]
            case "replace":
                holder[key] = draw(st.sampled_from(ODD))
            case "repeat" if isinstance(holder, list):
                holder.append(holder[key])
            case "wrap":
                holder[key] = [holder[key]] if draw(st.booleans()) else {"type": holder[key]}
            case "rename" if isinstance(holder, dict):
                holder[draw(st.sampled_from(["", "\0", "x" * 1000, "type", "ключ", "a\r\nb: c"]))] = holder.pop(key)
            case _:
                continue
        if not body:
            break
    return body


def _places(value: object) -> Iterator[tuple[dict[object, object] | list[object], object]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield value, key
            yield from _places(inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield value, index
            yield from _places(inner)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_mutated_chat_requests_are_answered_or_refused_but_never_break_anything(
    gateway: RunningGateway, mocks: Mocks, model: str, stream: bool
) -> None:
    @settings(fuzzed, max_examples=60)
    @given(mutated())
    def check(body: dict[str, object]) -> None:
        answer = post(gateway, json.dumps({"model": model, "stream": stream, **body}).encode())
        hold(answer)
        if answer.status == 200 and stream:
            assert answer.body.endswith(b"data: [DONE]\n\n")
            assert b'"internal_error"' not in answer.body

    check()
    # What the mocks refused, they refused as the provider does; what no provider would be asked fails the test.
    for upstream in mocks.all():
        upstream.problems.clear()
    rows = gateway.parts.recorder
    until = time.monotonic() + 5
    while rows.waiting and time.monotonic() < until:
        time.sleep(0.02)
    assert rows.waiting == 0, "a row is stuck"
    rejected = gateway.parts.metrics.registry.get_sample_value("aqueduct_usage_rows_total", {"result": "rejected"})
    assert not rejected


def _tools(count: int) -> dict[str, object]:
    function = {"type": "object", "properties": {"a": {"type": "string"}}}
    return {"tools": [
        {"type": "function", "function": {"name": f"tool_{number}", "parameters": function}} for number in range(count)
    ]}  # fmt: skip


def _wide_schema(count: int) -> dict[str, object]:
    properties = {f"property_{number}": {"type": "string"} for number in range(count)}
    schema = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "wide", "schema": schema}}}


def _deep_schema(depth: int) -> dict[str, object]:
    schema: dict[str, object] = {"type": "string"}
    for _ in range(depth):
        schema = {"type": "object", "properties": {"a": schema}}
    return {"tools": [{"type": "function", "function": {"name": "deep", "parameters": schema}}]}


def _call(call_id: str) -> dict[str, object]:
    call = {"id": call_id, "type": "function", "function": {"name": "f", "arguments": "{}"}}
    return {"messages": [
        {"role": "user", "content": "x"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call_id, "content": "y"},
    ]}  # fmt: skip


EXTREMES: dict[str, dict[str, object]] = {
    "300 tools": _tools(300),
    "10,000 properties": _wide_schema(10_000),
    "schema 60 deep": _deep_schema(60),
    "schema 150 deep": _deep_schema(150),
    "very long call id": _call("call_" + "x" * 10_000),
    "empty call id": _call(""),
    "odd call id": _call("c a\tl\u00e9/../"),
    "2,000 messages": {"messages": [{"role": "user", "content": "x"}] * 2000},
    "empty content": {"messages": [{"role": "user", "content": ""}]},
    "empty parts": {"messages": [{"role": "user", "content": []}]},
    "only an assistant": {"messages": [{"role": "assistant", "content": "x"}]},
    "only a system": {"messages": [{"role": "system", "content": "x"}]},
    "64 unknown fields": {f"unknown_{number}\0\r\nx: y": number for number in range(64)},
    "long unknown field": {"u" * 100_000: 1},
    "huge seed": {"seed": 10**400},
    "huge n": {"n": 2**62},
    "long stop": {"stop": ["x" * 100_000] * 20},
    "long user": {"user": "\0\u00e9" * 10_000},
    "tool result without call": {"messages": [{"role": "tool", "tool_call_id": "nobody", "content": "x"}]},
    "arguments no json": {"messages": [
        {"role": "user", "content": "x"},
        {"role": "assistant", "tool_calls": [
            {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": '}}]},
        {"role": "tool", "tool_call_id": "c", "content": "y"}]},
    "arguments without end": {"messages": [
        {"role": "user", "content": "x"},
        {"role": "assistant", "tool_calls": [
            {"id": "c", "type": "function", "function": {"name": "f", "arguments": "[" * 50_000}}]},
        {"role": "tool", "tool_call_id": "c", "content": "y"}]},
}  # fmt: skip


@pytest.mark.parametrize("extreme", EXTREMES)
@pytest.mark.parametrize("model", MODELS)
def test_extreme_requests_are_answered_or_refused(
    gateway: RunningGateway, mocks: Mocks, model: str, extreme: str
) -> None:
    answer = post(gateway, json.dumps({**HELLO, **EXTREMES[extreme], "model": model}).encode())

    hold(answer)
    for upstream in mocks.all():
        upstream.problems.clear()
    assert sum(len(value) for value in answer.headers.values()) < 16_384
    assert gateway.rows(1)[0]["status"] == answer.status


def test_row_of_a_request_with_nul_in_every_text_is_written(gateway: RunningGateway) -> None:
    body = {**HELLO, "user": "a\0b", "nul\0field": 1}

    assert post(gateway, json.dumps(body).encode()).status == 200

    row = gateway.rows(1)[0]
    assert (row["client_user"], row["dropped_params"]) == ("ab", ["nulfield"])
