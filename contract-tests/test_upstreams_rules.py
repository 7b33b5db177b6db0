"""The mocks take what the providers took, and refuse what they refuse in the provider's own form."""

import http.client
import json
from typing import Any

import pytest
from upstreams import UPSTREAM_KEY, Anthropic, Azure, Google, OpenAI, Recording, Upstream, recordings
from upstreams.dialects import Call, anthropic_rules, bedrock_rules, google_rules, openai_rules
from upstreams.wire import Request

Body = dict[str, Any]
USER = {"role": "user", "content": "p"}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CALLING = {"role": "assistant", "content": None, "tool_calls": [CALL]}
USE: Any = {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "f", "input": {}}]}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "r"}
ASKED = {"role": "user", "parts": [{"text": "p"}]}
FUNCTION_CALL: Any = {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]}
FUNCTION_RESULT = {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {}}}]}


def call(operation: str, body: Body, model: str = "m", path: str = "/", headers: Any = ()) -> Call:
    request = Request(method="POST", target=path, headers=headers, body=b"", connection=0)
    return Call(operation, body.get("model", model), body.get("stream") is True, body, request)


def recorded_call(recording: Recording) -> Call:
    headers = tuple(recording.document["request"]["headers"].items())
    model = recording.path.rpartition("/models/")[2].partition(":")[0]
    return call(recording.api, recording.request_body, model, recording.path, headers)


def accepted(dialect: str, provider: str) -> list[Recording]:
    # Vertex takes fields that the Gemini API does not have, here and elsewhere.
    return [
        candidate
        for candidate in recordings(dialect=dialect, provider=provider, status=200)
        if candidate.request_body and "modelArmorConfig" not in candidate.request_body
    ]


@pytest.mark.parametrize(
    ("dialect", "provider", "least"),
    [
        ("openai", "openai", 40),
        ("azure", "azure", 9),
        ("anthropic", "anthropic", 30),
        ("google", "gemini", 25),
        ("google", "vertex", 15),
    ],
)
def test_rules_take_every_request_that_its_provider_answered(dialect: str, provider: str, least: int) -> None:
    found = accepted(dialect, provider)
    assert len(found) >= least
    for candidate in found:
        match dialect:
            case "anthropic":
                problem = anthropic_rules.problem(recorded_call(candidate))
            case "google":
                problem = google_rules.problem(recorded_call(candidate))
            case _:
                problem = openai_rules.problem(recorded_call(candidate), frozenset())
        assert problem is None, candidate.name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"messages": []}, "Invalid 'messages': empty array"),
        ({"messages": [{"role": "user"}]}, "Missing required parameter: 'messages[0].content'"),
        ({"messages": [{"role": "robot", "content": "p"}]}, "Invalid value for 'messages[0].role'"),
        ({"messages": [USER, {**USER, "reasoning": "r"}]}, "Unknown parameter: 'messages[1].reasoning'"),
        ({"nonsense": 1}, "Unrecognized request argument supplied: nonsense"),
        ({"max_tokens": 1, "max_completion_tokens": 1}, "at the same time"),
        ({"temperature": 3}, "Invalid 'temperature'"),
        ({"stream_options": {"include_usage": True}}, "only allowed when 'stream'"),
        ({"tools": []}, "Invalid 'tools': empty array"),
        ({"tool_choice": "auto"}, "'tool_choice' is only allowed when 'tools'"),
        ({"parallel_tool_calls": False}, "'parallel_tool_calls' is only allowed"),
        ({"tools": [{"type": "function", "function": {"name": "a/b"}}]}, "does not match pattern"),
        ({"messages": [USER, CALLING]}, "did not have response messages: c1"),
        ({"messages": [USER, CALLING, USER]}, "did not have response messages: c1"),
        ({"messages": [USER, {"role": "tool", "tool_call_id": "x", "content": "r"}]}, "must be a response"),
        ({"messages": [USER, {**CALLING, "tool_calls": [{**CALL, "id": "c" * 65}]}]}, "string too long"),
        ({"response_format": {"type": "json_object"}}, "must contain the word 'json'"),
        ({"top_logprobs": 2}, "only allowed when 'logprobs'"),
    ],
)
def test_openai_rules_refuse(change: Body, message: str) -> None:
    problem = openai_rules.problem(call("chat.completions", {"model": "m", "messages": [USER], **change}), frozenset())
    assert problem is not None
    assert message in problem


def test_openai_rules_take_a_tool_round() -> None:
    messages = [USER, CALLING, {"role": "tool", "tool_call_id": "c1", "name": "f", "content": "r"}, USER]
    body = {"model": "m", "messages": messages, "tools": [TOOL], "tool_choice": "required"}
    assert openai_rules.problem(call("chat.completions", body), frozenset()) is None


def test_openai_rules_of_a_compatible_server_take_its_own_fields() -> None:
    body = {"model": "m", "messages": [{**USER, "reasoning_content": "r"}], "chat_template_kwargs": {}}
    assert openai_rules.problem(call("chat.completions", body), None) is None
    assert openai_rules.problem(call("chat.completions", body), frozenset({"chat_template_kwargs"})) is not None


SPEC: Any = {"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object"}}}}


@pytest.mark.parametrize(
    ("own", "config", "message"),
    [
        ({"disable_parallel_tool_use": True}, {"tools": [SPEC]}, "tool_choice.type: Field required"),
        ({"type": "auto"}, None, "while providing tools"),
        ({"type": "auto"}, {"tools": [SPEC], "toolChoice": {"any": {}}}, "conflicts with the existing field"),
        ({"type": "auto"}, {"tools": [SPEC], "toolChoice": {"auto": {}}}, "conflicts with the existing field"),
        ({"type": "auto", "disable_parallel_tool_use": True}, {"tools": [SPEC]}, None),
    ],
)
def test_bedrock_rules_hold_claudes_own_choice_of_tools(own: Body, config: Body | None, message: str | None) -> None:
    body: Body = {
        "messages": [{"role": "user", "content": [{"text": "p"}]}],
        "additionalModelRequestFields": {"tool_choice": own},
    }
    problem = bedrock_rules.problem({**body, "toolConfig": config} if config is not None else body)
    assert (problem is None) if message is None else (message in (problem or ""))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_tokens": None}, "max_tokens: "),
        ({"messages": []}, "at least one message"),
        ({"messages": [{"role": "assistant", "content": "a"}]}, "first message must use"),
        ({"messages": [USER, {"role": "assistant", "content": "a "}]}, "trailing whitespace"),
        ({"messages": [{"role": "user", "content": ""}]}, "non-empty content"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": ""}]}]}, "must be non-empty"),
        ({"messages": [{"role": "user", "content": " "}]}, "non-whitespace"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages.0.content.0.text: Field required"),
        ({"messages": [{**USER, "name": "n"}]}, "messages.0.name: Extra inputs are not permitted"),
        ({"messages": [USER, USE]}, "without `tool_result`"),
        ({"messages": [USER, USE, USER]}, "without `tool_result`"),
        ({"messages": [USER, {"role": "user", "content": [RESULT]}]}, "unexpected `tool_use_id`"),
        (
            {"messages": [USER, USE, {"role": "user", "content": [{"type": "text", "text": "t"}, RESULT]}]},
            "must come before",
        ),
        (
            {"messages": [USER, {**USE, "content": [{**USE["content"][0], "id": "a.b"}]}]},
            "should match pattern",
        ),
        ({"frequency_penalty": 1}, "frequency_penalty: Extra inputs"),
        ({"temperature": 1.5}, "temperature: range: 0..1"),
        ({"stop_sequences": ["\n"]}, "non-whitespace"),
        ({"tool_choice": {"type": "any"}}, "while providing tools"),
        ({"tools": [{"name": "f", "input_schema": {"type": "array"}}]}, "input_schema.type"),
        ({"tools": [{"name": "f.g", "input_schema": {"type": "object"}}]}, "should match pattern"),
        ({"thinking": {"type": "enabled", "budget_tokens": 10}}, "greater than or equal to 1024"),
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, "`max_tokens` must be greater"),
        ({"thinking": {"type": "adaptive"}, "temperature": 0.5}, "may only be set to 1"),
    ],
)
def test_anthropic_rules_refuse(change: Body, message: str) -> None:
    body = {"model": "m", "max_tokens": 100, "messages": [USER], **change}
    problem = anthropic_rules.problem(call("messages", body))
    assert problem is not None
    assert message.lower() in problem.lower()


def test_anthropic_rules_alternating_is_an_option() -> None:
    body = {"model": "m", "max_tokens": 1, "messages": [USER, USER]}
    assert anthropic_rules.problem(call("messages", body)) is None
    assert "alternate" in (anthropic_rules.problem(call("messages", body), alternating=True) or "")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"contents": []}, "contents is not specified"),
        ({"contents": [{"role": "assistant", "parts": [{"text": "p"}]}]}, "valid role"),
        ({"contents": [{"role": "user", "parts": []}]}, "parts must not be empty"),
        ({"contents": [{"role": "user", "parts": [{"txt": "p"}]}]}, 'Unknown name "txt" at'),
        ({"messages": []}, 'Unknown name "messages"'),
        ({"generationConfig": {"max_tokens": 5}}, 'Unknown name "max_tokens" at'),
        ({"contents": [ASKED, FUNCTION_CALL]}, "number of function response parts"),
        ({"contents": [ASKED, FUNCTION_CALL, ASKED]}, "number of function response parts"),
        ({"contents": [ASKED, FUNCTION_RESULT]}, "number of function response parts"),
        ({"contents": [FUNCTION_CALL, FUNCTION_RESULT]}, "function call turn comes immediately after"),
        ({"generationConfig": {"responseSchema": {"type": "STRING"}}}, "response mime type"),
        ({"tools": [{"functionDeclarations": [{"name": "a/b"}]}]}, "Invalid function name"),
        ({"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}}, "without function_declarations"),
        ({"generationConfig": {"temperature": 3}}, "temperature"),
    ],
)
def test_google_rules_refuse(change: Body, message: str) -> None:
    problem = google_rules.problem(call("generateContent", {"contents": [ASKED], **change}))
    assert problem is not None
    assert message in problem


def test_google_rules_want_the_signature_of_gemini_3_only() -> None:
    """TRAPS 22: a stripped thought signature is refused at the next turn."""
    body = {"contents": [ASKED, FUNCTION_CALL, FUNCTION_RESULT]}
    assert google_rules.problem(call("generateContent", body, "gemini-2.5-flash")) is None
    assert "thought_signature" in (google_rules.problem(call("generateContent", body, "gemini-3-pro")) or "")
    signed = {"role": "model", "parts": [{**FUNCTION_CALL["parts"][0], "thoughtSignature": "c2ln"}]}
    body = {"contents": [ASKED, signed, FUNCTION_RESULT]}
    assert google_rules.problem(call("generateContent", body, "gemini-3-pro")) is None


JSON = {"content-type": "application/json"}
BEARER = {"authorization": f"Bearer {UPSTREAM_KEY}"}
XKEY = {"x-api-key": UPSTREAM_KEY}
VERSION = {"anthropic-version": "2023-06-01"}
GOOGLE_KEY = {"x-goog-api-key": UPSTREAM_KEY}
AZURE_KEY = {"api-key": UPSTREAM_KEY}
OTHER = {"authorization": "Bearer other"}
DEPLOYED = "/openai/deployments/d/chat/completions"
GOOGLE_PATH = "/v1beta/models/m:generateContent"
INVALID = "invalid_request_error"


@pytest.mark.parametrize(
    ("dialect", "path", "headers", "status", "kind"),
    [
        (OpenAI(), "/v1/chat/completions", JSON, 401, INVALID),
        (OpenAI(), "/v1/chat/completions", JSON | OTHER, 401, INVALID),
        (OpenAI(), "/v1/nonsense", JSON | BEARER, 404, INVALID),
        (OpenAI(), "/v1/chat/completions", BEARER, 415, INVALID),
        (OpenAI(), "/deep/prefix/chat/completions", JSON | BEARER, 400, INVALID),
        (Azure(), DEPLOYED + "?api-version=2024-10-21", JSON, 401, INVALID),
        (Azure(), DEPLOYED, JSON | AZURE_KEY, 404, INVALID),
        (Azure(), "/openai/v1/chat/completions", JSON | AZURE_KEY, 400, INVALID),
        (Azure(), "/v1/chat/completions", JSON | AZURE_KEY, 404, INVALID),
        (Anthropic(), "/v1/messages", JSON | VERSION, 401, "authentication_error"),
        (Anthropic(), "/v1/messages", JSON | VERSION | {"x-api-key": "other"}, 401, "authentication_error"),
        (Anthropic(), "/v1/messages", JSON | VERSION | XKEY | OTHER, 401, "authentication_error"),
        (Anthropic(), "/v1/messages", JSON | XKEY, 400, INVALID),
        (Anthropic(), "/v1/complete", JSON | VERSION | XKEY, 404, "not_found_error"),
        (Google(), GOOGLE_PATH, JSON, 403, "PERMISSION_DENIED"),
        (Google(), GOOGLE_PATH, JSON | {"x-goog-api-key": "other"}, 400, "INVALID_ARGUMENT"),
        (Google(), GOOGLE_PATH + f"?key={UPSTREAM_KEY}", JSON | GOOGLE_KEY, 403, "PERMISSION_DENIED"),
        (Google(), "/v1beta/models/m:streamGenerateContent", JSON | GOOGLE_KEY, 400, "INVALID_ARGUMENT"),
        (Google(), "/v1beta/models/m:paint", JSON | GOOGLE_KEY, 404, "NOT_FOUND"),
    ],
)  # fmt: skip
def test_dialect_refuses_wrong_credentials_and_paths_in_its_own_form(
    dialect: Any, path: str, headers: dict[str, str], status: int, kind: str
) -> None:
    with Upstream(dialect) as upstream:
        connection = http.client.HTTPConnection("127.0.0.1", upstream.port, timeout=5)
        connection.request("POST", path, b"{}", headers)
        response = connection.getresponse()
        error = json.loads(response.read())["error"]
        connection.close()
        assert (response.status, error.get("status") or error["type"]) == (status, kind)
        assert upstream.ledger == []
        assert len(upstream.refused) == 1
