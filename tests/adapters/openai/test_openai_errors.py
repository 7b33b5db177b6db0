"""Failures and usage of OpenAI-format servers, in the spellings seen."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Raw
from msgspec.structs import replace

from adapters.errors import ErrorKind
from adapters.exchange import Failure
from adapters.openai.errors import NO_DETAIL, to_error
from adapters.openai.usage import merge, to_usage
from schemas.openai import WireCompletionDetails, WirePromptDetails
from schemas.usage import Usage


def failure(status: int, body: object, headers: dict[str, str] | None = None) -> Failure:
    data = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return Failure(status, headers or {}, data)


def openai(message: str, code: object = None, kind: object = "invalid_request_error", **fields: object) -> dict:
    return {"error": {"message": message, "type": kind, "param": None, "code": code, **fields}}


FILTERED = {"innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {}}, "status": 400}


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, openai("no"), ErrorKind.INVALID_REQUEST),
        (400, openai("long", "context_length_exceeded"), ErrorKind.CONTEXT_LENGTH),
        (400, openai("This model's maximum context length is 8 tokens."), ErrorKind.CONTEXT_LENGTH),
        (400, openai("exceeds the available context size", 400, "exceed_context_size_error"), ErrorKind.CONTEXT_LENGTH),
        (400, openai("prompt too long; exceeded max context length by 7 tokens"), ErrorKind.CONTEXT_LENGTH),
        (400, openai("Invalid 'x': longer", "string_above_max_length"), ErrorKind.INVALID_REQUEST),
        (400, openai("no", "unsupported_parameter"), ErrorKind.UNSUPPORTED_PARAMETER),
        (400, openai("no", "content_policy_violation"), ErrorKind.CONTENT_POLICY),
        (400, openai("filtered", None, None, **FILTERED), ErrorKind.CONTENT_POLICY),
        (400, openai("filtered", "content_filter", None), ErrorKind.CONTENT_POLICY),
        (401, openai("no", "invalid_api_key"), ErrorKind.CREDENTIALS),
        (402, {"detail": "pay"}, ErrorKind.CREDENTIALS),
        (403, openai("no", "forbidden"), ErrorKind.CREDENTIALS),
        (404, openai("no", "model_not_found"), ErrorKind.MODEL_NOT_FOUND),
        (404, openai("no", "DeploymentNotFound"), ErrorKind.MODEL_NOT_FOUND),
        (413, b"", ErrorKind.REQUEST_TOO_LARGE),
        (422, {"detail": [{"loc": ["body"], "msg": "field required"}]}, ErrorKind.INVALID_REQUEST),
        (429, openai("slow", "rate_limit_exceeded", "tokens"), ErrorKind.RATE_LIMIT),
        (429, openai("broke", "insufficient_quota", "insufficient_quota"), ErrorKind.CREDENTIALS),
        (500, openai("oops", None, "server_error"), ErrorKind.SERVER_ERROR),
        (500, openai("oops", 500, "server_error"), ErrorKind.SERVER_ERROR),
        (400, {"code": "invalid-argument", "error": "Incorrect API key provided."}, ErrorKind.CREDENTIALS),
        (400, {"code": "invalid-argument", "error": "Model not found: grok-0"}, ErrorKind.MODEL_NOT_FOUND),
        (400, openai("a/b is not a valid model ID", 400), ErrorKind.MODEL_NOT_FOUND),
        (400, openai("Model a/b does not exist", 400), ErrorKind.MODEL_NOT_FOUND),
        (400, openai("The file of model a/b does not exist", 400), ErrorKind.INVALID_REQUEST),
        (400, openai("The supported API model names are a, but you passed b."), ErrorKind.MODEL_NOT_FOUND),
        (400, openai("This model's maximum prompt length is 8 but the request has 9."), ErrorKind.CONTEXT_LENGTH),
        (500, openai("image input is not supported - hint: x", 500, "server_error"), ErrorKind.UNSUPPORTED_PARAMETER),
        (502, b"<html>Bad gateway</html>", ErrorKind.SERVER_ERROR),
        (503, openai("busy", None, "overloaded"), ErrorKind.OVERLOADED),
        (504, b"", ErrorKind.TIMEOUT),
    ],
)
def test_error_status_and_body_give_the_kind(status: int, body: object, kind: ErrorKind) -> None:
    error = to_error(failure(status, body))
    assert (error.kind, error.status) == (kind, status)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (openai("words"), "words"),
        ({"error": "words", "code": "x"}, "words"),
        ({"message": "words"}, "words"),
        ({"detail": "words"}, "words"),
        ({"detail": [{"loc": ["a"], "msg": "words"}]}, "words"),
        ({"object": "error", "message": {"detail": [{"msg": "words"}]}}, "words"),
        ({"error": {"message": None}}, NO_DETAIL),
        (b"<html>", NO_DETAIL),
        (b"[]", NO_DETAIL),
        (b"null", NO_DETAIL),
        (b"\xff", NO_DETAIL),
    ],
)
def test_error_message_is_found_in_every_spelling(body: object, message: str) -> None:
    assert to_error(failure(400, body)).message == message


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ("Field 'n': Value must be between 1 <= value <= 1, but got 2", "n"),
        ("Field 'min_p': [json.exception.type_error.302] type must be number, but is array", "min_p"),
        ("The 'n': is too large", None),
        (f"Field '{'x' * 500}': no", None),
    ],
)
def test_error_names_the_parameter_that_only_the_message_names(message: str, param: str | None) -> None:
    error = {"code": 400, "message": message, "type": "invalid_request_error"}
    assert to_error(failure(400, {"error": error})).param == param


def test_error_keeps_param_code_request_id_and_delay_but_no_key() -> None:
    """Trap 24."""
    body = openai("Incorrect API key: sk-canary0123456789 at https://x.example", "invalid_api_key", param="stop")
    error = to_error(failure(401, body, {"x-request-id": "req_1", "retry-after": "2"}))
    assert (error.code, error.param, error.upstream_request_id) == ("invalid_api_key", "stop", "req_1")
    assert error.retry_after_s == 2.0
    assert "canary" not in error.message
    assert "x.example" not in error.message


# --- usage


COUNTS = st.none() | st.integers(-(2**54), 2**54)
PROMPT_PARTS = WirePromptDetails.__struct_fields__
COMPLETION_PARTS = WireCompletionDetails.__struct_fields__


def usage_of(document: object) -> Usage:
    usage = to_usage(Raw(msgspec.json.encode(document)))
    assert usage is not None
    return usage


def test_usage_of_openai_is_taken_as_it_is() -> None:
    prompt = {"cached_tokens": 4, "cache_write_tokens": 2, "audio_tokens": 0, "text_tokens": 9, "image_tokens": 1}
    completion = {
        "reasoning_tokens": 3,
        "audio_tokens": 0,
        "image_tokens": 2,
        "text_tokens": 5,
        "accepted_prediction_tokens": 1,
        "rejected_prediction_tokens": 2,
    }
    document = {
        "prompt_tokens": 10,
        "completion_tokens": 8,
        "total_tokens": 18,
        "prompt_tokens_details": prompt,
        "completion_tokens_details": completion,
    }
    usage = usage_of(document)
    assert msgspec.to_builtins(usage.to_completion_usage()) == document
    assert usage.violations() == ()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 6}, {"cached_tokens": 4}),
        ({"cached_tokens": 4}, {"cached_tokens": 4}),
        (
            {"cache_read_input_tokens": 4, "cache_creation_input_tokens": 1},
            {"cached_tokens": 4, "cache_write_tokens": 1},
        ),
        ({"prompt_tokens_details": None, "completion_tokens_details": None}, {}),
        ({"prompt_tokens_details": {"cached_tokens": None}}, {}),
        ({"reasoning_tokens": 2}, {"reasoning_tokens": 2}),
        ({"prompt_tokens": 10.0}, {}),
        ({"cost": {"total": 0.1}, "queue_time": 0.2, "num_sources_used": None}, {}),
    ],
)
def test_usage_of_other_servers_is_read_in_their_spelling(fields: dict, expected: dict) -> None:
    usage = usage_of({"prompt_tokens": 10, "completion_tokens": 8, "total_tokens": 18, **fields})
    expected = {"prompt_tokens": 10, "completion_tokens": 8, **expected}
    assert {name: getattr(usage, name) for name in expected} == expected
    unreported = set(Usage.__struct_fields__) - set(expected) - {"raw", "service_tier", "source"}
    assert all(getattr(usage, name) is None for name in unreported)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "prompt_tokens": COUNTS,
            "completion_tokens": COUNTS,
            "total_tokens": COUNTS,
            "prompt_tokens_details": st.none()
            | st.fixed_dictionaries({}, optional=dict.fromkeys(PROMPT_PARTS, COUNTS)),
            "completion_tokens_details": st.none()
            | st.fixed_dictionaries({}, optional=dict.fromkeys(COMPLETION_PARTS, COUNTS)),
        },
    )
)
def test_usage_in_openais_spelling_is_the_same_with_and_without_a_field_of_another_server(document: dict) -> None:
    """The strict decoder takes the one, the lenient one the other."""
    strictly, leniently = (to_usage(Raw(msgspec.json.encode(one))) for one in (document, {**document, "cost": 1}))
    assert (strictly is None) is (leniently is None)
    if strictly is not None and leniently is not None:
        assert replace(strictly, raw=UNSET) == replace(leniently, raw=UNSET)


def test_usage_reasoning_beside_the_completion_is_included() -> None:
    """Trap 4: the total shows that xAI counts reasoning apart."""
    details = {"completion_tokens_details": {"reasoning_tokens": 5}}
    apart = usage_of({"prompt_tokens": 10, "completion_tokens": 8, "total_tokens": 23, **details})
    within = usage_of({"prompt_tokens": 10, "completion_tokens": 8, "total_tokens": 18, **details})
    assert (apart.completion_tokens, within.completion_tokens) == (13, 8)


def test_usage_output_that_only_the_total_knows_of_is_included() -> None:
    """Trap 4: Google's OpenAI-format endpoint counts thoughts in the total and names them nowhere."""
    beyond = usage_of({"prompt_tokens": 35, "completion_tokens": 12, "total_tokens": 109})
    short = usage_of({"prompt_tokens": 35, "completion_tokens": 12, "total_tokens": 40})
    none = usage_of(
        {
            "prompt_tokens": 35,
            "completion_tokens": 12,
            "total_tokens": 50,
            "completion_tokens_details": {"reasoning_tokens": 0},
        }
    )
    assert (beyond.completion_tokens, short.completion_tokens, none.completion_tokens) == (74, 12, 12)
    assert beyond.reasoning_tokens is None


@pytest.mark.parametrize("document", [None, {}, [], "x", {"prompt_tokens": "many"}, {"prompt_tokens": [1]}])
def test_usage_that_is_none_is_not_reported(document: object) -> None:
    assert to_usage(Raw(msgspec.json.encode(document))) is None


def test_usage_reports_are_merged_and_never_summed() -> None:
    first, second = Usage(prompt_tokens=3, cached_tokens=2, completion_tokens=1), Usage(completion_tokens=5)
    assert merge(first, second) == Usage(prompt_tokens=3, cached_tokens=2, completion_tokens=5)
    assert merge(first, None) is first
    assert merge(None, second) is second


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"num_search_queries": 3}, {"queries": 3}),
        ({"num_sources_used": 0}, {"queries": 0}),
        ({"server_tool_use": {"web_search_requests": 2}}, {"queries": 2}),
        ({"server_tool_use": {}, "server_tool_use_details": {"web_search_requests": 2}}, {"queries": 2}),
        ({"prompt_audio_seconds": 12}, {"seconds": 12}),
        ({"prompt_audio_seconds": {}, "num_search_queries": "many", "server_tool_use": [1]}, {}),
        ({"prompt_audio_seconds": None, "num_search_queries": None, "server_tool_use": None}, {}),
    ],
)
def test_usage_units_beside_tokens_are_counted_and_never_spoil_them(given: dict, expected: dict) -> None:
    usage = to_usage(Raw(json.dumps({"prompt_tokens": 1, "completion_tokens": 2, **given}).encode()))
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == (1, 2)
    assert {
        name: getattr(usage, name) for name in ("queries", "seconds") if getattr(usage, name) is not None
    } == expected


@pytest.mark.parametrize(
    ("details", "seconds"),
    [
        ([{"@type": "type.googleapis.com/google.rpc.Help"}, {"retryDelay": "34.5s"}], 34.5),
        ([{"retryDelay": "0s"}], 0.0),
        ([{"retryDelay": "nan"}], None),
        ([{"retryDelay": "-1s"}], None),
        ([{"retryDelay": "1e300s"}], None),
        ([{"retryDelay": {"seconds": 3}}], None),
        (["retryDelay"], None),
        ({"retryDelay": "3s"}, None),
        (None, None),
    ],
)
@pytest.mark.parametrize("listed", [True, False])
def test_error_in_a_list_of_one_says_what_it_would_outside_of_it(
    details: object, seconds: float | None, listed: bool
) -> None:
    """Gemini's OpenAI-format endpoint: https://github.com/n4ze3m/page-assist/issues/406, read 2026-11-27."""
    error = {"error": {"code": 429, "message": "Exhausted.", "status": "RESOURCE_EXHAUSTED", "details": details}}
    told = to_error(failure(429, [error] if listed else error))
    assert (told.kind, told.message, told.code) == (ErrorKind.RATE_LIMIT, "Exhausted.", "429")
    assert told.retry_after_s == seconds
    assert to_error(failure(429, [error], {"retry-after": "7"})).retry_after_s == 7
