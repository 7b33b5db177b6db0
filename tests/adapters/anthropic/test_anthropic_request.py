"""Parameters, tools, reasoning and answer formats as the provider takes them, and what is reported as lost."""

import hashlib
import json

import pytest

from adapters.errors import ErrorKind, ProviderError
from tests.adapters.anthropic.translate import call, sent, translation

PARAMETERS = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
TOOL = {"type": "function", "function": {"name": "f", "parameters": PARAMETERS}}
OTHER = {"type": "function", "function": {"name": "g"}}


def dropped(fields: dict, **deployment) -> tuple[str, ...]:
    return translation(fields, call(**deployment)).dropped


def refused(fields: dict, **deployment) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        translation(fields, call(**deployment))
    return caught.value


def strict(name: str = "f", parameters: dict = PARAMETERS) -> dict:
    return {"type": "function", "function": {"name": name, "parameters": parameters, "strict": True}}


def schema_format(schema: dict, **fields) -> dict:
    return {"type": "json_schema", "json_schema": {"name": "x", "schema": schema, **fields}}


@pytest.mark.parametrize(
    ("fields", "model", "expected"),
    [
        ({"max_completion_tokens": 7, "max_tokens": 9}, "claude-sonnet-4-5", 7),
        ({"max_tokens": 9}, "claude-sonnet-4-5", 9),
        ({}, "claude-sonnet-4-5", 64_000),
        ({}, "us.anthropic.claude-opus-4-1-20250805-v1:0", 32_000),
        ({}, "anthropic/claude-opus-4.7", 128_000),
        ({}, "claude-3-haiku-20240307", 4_096),
        ({}, "claude-next-9", 128_000),
        ({}, "somebody-elses-model", 32_000),
    ],
)
def test_max_tokens_is_the_clients_or_the_models_cap(fields: dict, model: str, expected: int) -> None:
    assert sent(fields, call(model))["max_tokens"] == expected


def test_max_tokens_of_the_deployment_beats_the_table() -> None:
    assert sent({}, call(max_output_tokens=5_000))["max_tokens"] == 5_000


@pytest.mark.parametrize(
    ("model", "fields", "thinking", "config"),
    [
        ("claude-sonnet-4-5", {"reasoning_effort": "minimal"}, {"type": "enabled", "budget_tokens": 1024}, None),
        ("claude-sonnet-4-5", {"reasoning_effort": "max"}, {"type": "enabled", "budget_tokens": 16384}, None),
        (
            "claude-sonnet-4-5",
            {"reasoning_effort": "high", "max_tokens": 2000},
            {"type": "enabled", "budget_tokens": 1999},
            None,
        ),
        ("claude-sonnet-4-5", {"reasoning_effort": "none"}, {"type": "disabled"}, None),
        ("claude-sonnet-4-5", {}, None, None),
        (
            "claude-opus-4-6",
            {"reasoning_effort": "minimal"},
            {"type": "adaptive", "display": "summarized"},
            {"effort": "low"},
        ),
        (
            "claude-opus-5",
            {"reasoning_effort": "xhigh"},
            {"type": "adaptive", "display": "summarized"},
            {"effort": "xhigh"},
        ),
        ("claude-sonnet-5-5", {"reasoning_effort": "none"}, {"type": "between_tools"}, None),
        (
            "claude-sonnet-4-5",
            {"reasoning_effort": "low", "thinking": {"type": "enabled", "budget_tokens": 3000}},
            {"type": "enabled", "budget_tokens": 3000},
            None,
        ),
        (
            "claude-opus-5",
            {"reasoning": {"effort": "low", "exclude": True}},
            {"type": "adaptive", "display": "omitted"},
            {"effort": "low"},
        ),
        ("claude-sonnet-4-5", {"reasoning": {"max_tokens": 2000}}, {"type": "enabled", "budget_tokens": 2000}, None),
        ("claude-sonnet-4-5", {"reasoning": {"enabled": False}}, {"type": "disabled"}, None),
    ],
)
def test_reasoning_reaches_the_knob_of_the_models_generation(
    model: str, fields: dict, thinking: dict | None, config: dict | None
) -> None:
    body = sent(fields, call(model))
    assert body.get("thinking") == thinking
    assert body.get("output_config") == config
    assert translation(fields, call(model)).dropped == ()


@pytest.mark.parametrize(
    ("model", "fields", "lost"),
    [
        ("claude-3-5-haiku-20241022", {"reasoning_effort": "high"}, "reasoning_effort"),
        ("claude-sonnet-4-5", {"reasoning_effort": "high", "max_tokens": 1024}, "reasoning_effort"),
        ("claude-opus-4-6", {"reasoning_effort": "xhigh"}, "reasoning_effort"),
        ("claude-fable-5", {"reasoning_effort": "none"}, "reasoning_effort"),
        ("claude-opus-5", {"thinking": {"type": "enabled", "budget_tokens": 2048}}, "thinking"),
        (
            "claude-sonnet-4-5",
            {"reasoning_effort": "high", "tools": [TOOL], "tool_choice": "required"},
            "reasoning_effort",
        ),
    ],
)
def test_reasoning_that_cannot_be_as_asked_is_reported(model: str, fields: dict, lost: str) -> None:
    assert dropped(fields, model=model) == (lost,)
    sent(fields, call(model))


def test_reasoning_style_of_the_deployment_beats_the_table() -> None:
    at = call("my-claude", options={"thinking": "adaptive", "structured_outputs": "true"})
    assert sent({"reasoning_effort": "high"}, at)["thinking"]["type"] == "adaptive"
    assert refused({}, options={"thinking": "loud"}).kind is ErrorKind.SERVER_ERROR


@pytest.mark.parametrize(
    ("model", "fields", "expected", "lost"),
    [
        ("claude-sonnet-4-0", {"temperature": 0.3, "top_p": 0.5}, {"temperature": 0.3, "top_p": 0.5}, ()),
        ("claude-sonnet-4-0", {"temperature": 1.7}, {"temperature": 1.0}, ("temperature",)),
        ("claude-sonnet-4-5", {"temperature": 0, "top_p": 0.5}, {"temperature": 0}, ("top_p",)),
        ("claude-sonnet-4-5", {"temperature": 1, "top_p": 1}, {"temperature": 1}, ()),
        ("claude-opus-5", {"temperature": 1, "top_p": 1}, {}, ()),
        ("claude-opus-5", {"temperature": 0, "top_p": 0.9, "top_k": 3}, {}, ("temperature", "top_p", "top_k")),
        ("claude-sonnet-4-5", {"reasoning_effort": "low", "temperature": 0, "top_k": 3}, {}, ("temperature", "top_k")),
        ("claude-sonnet-4-5", {"top_k": 3}, {"top_k": 3}, ()),
    ],
)
def test_sampling_is_what_model_and_thinking_allow(
    model: str, fields: dict, expected: dict, lost: tuple[str, ...]
) -> None:
    body = sent(fields, call(model))
    assert {key: body[key] for key in ("temperature", "top_p", "top_k") if key in body} == expected
    assert dropped(fields, model=model) == lost


@pytest.mark.parametrize(
    "fields",
    [
        {"logprobs": True},
        {"seed": 1},
        {"frequency_penalty": 0.5},
        {"presence_penalty": 0.5},
        {"logit_bias": {"1": 1}},
        {"store": True},
        {"metadata": {"a": "b"}},
        {"prediction": {"type": "content", "content": "x"}},
        {"verbosity": "low"},
        {"service_tier": "flex"},
        {"prompt_cache_key": "k"},
    ],
)
def test_parameter_without_equivalent_is_dropped_and_named_or_rejected_by_policy(fields: dict) -> None:
    (name,) = fields
    assert dropped(fields) == (name,)
    assert name not in sent(fields)
    error = refused(fields, extra_params="reject")
    assert (error.kind, error.param) == (ErrorKind.UNSUPPORTED_PARAMETER, name)


def test_parameters_that_ask_for_nothing_are_not_reported() -> None:
    fields = {"logprobs": False, "frequency_penalty": 0, "store": False, "n": 1, "logit_bias": {}, "stream": True}
    assert dropped(fields) == ()


def test_unknown_fields_follow_the_policy() -> None:
    extra = {"mcp_servers": [{"name": "x"}]}
    assert dropped({}, extra=extra) == ("mcp_servers",)
    at = call(extra=extra, extra_params="forward")
    assert json.loads(translation({}, at).encode())["mcp_servers"] == extra["mcp_servers"]
    assert refused({}, extra=extra, extra_params="reject").param == "mcp_servers"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 2}, "n"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"audio": {"format": "wav", "voice": "x"}}, "audio"),
    ],
)
def test_parameter_that_changes_the_meaning_is_refused(fields: dict, param: str) -> None:
    error = refused(fields)
    assert (error.kind, error.param) == (ErrorKind.UNSUPPORTED_PARAMETER, param)


def test_stop_sequences_of_whitespace_are_dropped_and_named() -> None:
    assert sent({"stop": "END"})["stop_sequences"] == ["END"]
    assert sent({"stop": ["\n", "END"]})["stop_sequences"] == ["END"]
    assert "stop_sequences" not in sent({"stop": "\n\n"})
    assert dropped({"stop": ["\n"]}) == ("stop",)


def test_user_is_sent_as_a_hash() -> None:
    expected = hashlib.sha256(b"a@b.example").hexdigest()
    assert sent({"user": "a@b.example"})["metadata"] == {"user_id": expected}
    assert sent({"user": "other", "safety_identifier": "a@b.example"})["metadata"] == {"user_id": expected}


@pytest.mark.parametrize(
    ("fields", "choice"),
    [
        ({}, None),
        ({"tool_choice": "auto"}, {"type": "auto"}),
        ({"tool_choice": "none"}, {"type": "none"}),
        ({"tool_choice": "required"}, {"type": "any"}),
        ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, {"type": "tool", "name": "f"}),
        ({"parallel_tool_calls": False}, {"type": "auto", "disable_parallel_tool_use": True}),
        (
            {"parallel_tool_calls": False, "tool_choice": "required"},
            {"type": "any", "disable_parallel_tool_use": True},
        ),
        ({"parallel_tool_calls": False, "tool_choice": "none"}, {"type": "none"}),
        ({"parallel_tool_calls": True}, None),
    ],
)
def test_tool_choice_of_every_form(fields: dict, choice: dict | None) -> None:
    assert sent({"tools": [TOOL, OTHER], **fields}).get("tool_choice") == choice


def test_tool_choice_of_allowed_tools_sends_only_those() -> None:
    allowed = {"mode": "required", "tools": [{"type": "function", "function": {"name": "g"}}]}
    body = sent({"tools": [TOOL, OTHER], "tool_choice": {"type": "allowed_tools", "allowed_tools": allowed}})
    assert [tool["name"] for tool in body["tools"]] == ["g"]
    assert body["tool_choice"] == {"type": "any"}


def test_tool_choice_that_the_model_cannot_keep_is_refused() -> None:
    fields = {"tools": [TOOL], "tool_choice": "required"}
    error = refused(fields, model="claude-opus-5-5")
    assert (error.kind, error.param) == (ErrorKind.UNSUPPORTED_PARAMETER, "tool_choice")
    assert refused({"tool_choice": "required"}).kind is ErrorKind.INVALID_REQUEST


def test_tool_names_that_are_illegal_or_taken_are_rewritten_with_a_way_back() -> None:
    names = ["files/read", "files_read", "web_search", "json_tool_call", "ü" * 200, "plain"]
    tools = [{"type": "function", "function": {"name": name}} for name in names]
    made = translation({"tools": tools})
    upstream = [tool.name for tool in made.body.tools]
    assert len(set(upstream)) == len(names)
    assert [made.names.original(name) for name in upstream] == names
    assert upstream[1] == "files_read"
    assert upstream[-1] == "plain"
    sent({"tools": tools})


def test_tool_schema_is_kept_byte_for_byte_where_it_is_legal() -> None:
    raw = '{"type": "object",  "$defs": {"A": {"type": "string"}}, "properties": {"a": {"$ref": "#/$defs/A"}}}'
    tool = {"type": "function", "function": {"name": "f", "parameters": json.loads(raw)}}
    assert sent({"tools": [tool]})["tools"][0]["input_schema"] == json.loads(raw)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        (None, {"type": "object", "properties": {}}),
        ({}, {"type": "object"}),
        ({"properties": {}}, {"type": "object", "properties": {}}),
        ({"type": ["object", "null"]}, {"type": "object"}),
        ({"$ref": "#/$defs/A", "$defs": {"A": PARAMETERS}}, {"$defs": {"A": PARAMETERS}, **PARAMETERS}),
    ],
)
def test_tool_schema_gets_an_object_root(parameters: dict | None, expected: dict) -> None:
    function = {"name": "f"} if parameters is None else {"name": "f", "parameters": parameters}
    assert sent({"tools": [{"type": "function", "function": function}]})["tools"][0]["input_schema"] == expected


@pytest.mark.parametrize(
    "parameters",
    [{"type": "string"}, True, {"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}}, {"$ref": "https://x"}],
)
def test_tool_schema_that_is_no_object_is_refused_with_its_path(parameters: object) -> None:
    error = refused({"tools": [OTHER, {"type": "function", "function": {"name": "f", "parameters": parameters}}]})
    assert (error.kind, error.param) == (ErrorKind.INVALID_REQUEST, "tools[1].function.parameters")


def test_strict_tool_is_sent_closed_and_strict() -> None:
    tool = sent({"tools": [strict()]})["tools"][0]
    assert tool["strict"] is True
    assert tool["input_schema"] == {**PARAMETERS, "additionalProperties": False}


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        ("claude-sonnet-4-0", PARAMETERS),
        ("claude-sonnet-4-5", {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(25)}}),
        ("claude-sonnet-4-5", {"type": "object", "additionalProperties": {"type": "string"}}),
        (
            "claude-sonnet-4-5",
            {
                "type": "object",
                "properties": {"n": {"$ref": "#/$defs/N"}},
                "$defs": {"N": {"type": "object", "properties": {"n": {"$ref": "#/$defs/N"}}}},
            },
        ),
    ],
)
def test_strict_tool_that_cannot_be_compiled_is_sent_as_it_is_and_reported(model: str, parameters: dict) -> None:
    fields = {"tools": [strict(parameters=parameters)]}
    tool = sent(fields, call(model))["tools"][0]
    assert "strict" not in tool
    assert tool["input_schema"] == parameters
    assert dropped(fields, model=model) == ("tools[].function.strict",)


def test_tool_and_message_breakpoints_are_kept() -> None:
    body = sent({"tools": [{**TOOL, "cache_control": {"type": "ephemeral"}}]})
    assert body["tools"][0]["cache_control"] == {"type": "ephemeral"}


def test_free_text_tool_takes_a_string() -> None:
    grammar = {"type": "grammar", "grammar": {"syntax": "lark", "definition": 'start: "a"'}}
    tools = [{"type": "custom", "custom": {"name": "shell", "format": grammar}}]
    body = sent({"tools": tools, "tool_choice": {"type": "custom", "custom": {"name": "shell"}}})
    assert body["tools"][0]["input_schema"]["required"] == ["input"]
    assert body["tool_choice"] == {"type": "tool", "name": "shell"}
    assert dropped({"tools": tools}) == ("tools[].custom.format",)


def test_web_search_becomes_the_providers_own_tool() -> None:
    place = {"type": "approximate", "approximate": {"city": "Ulm", "country": "DE"}}
    made = translation({"web_search_options": {"user_location": place, "search_context_size": "high"}})
    assert made.may_pause
    assert made.dropped == ("web_search_options.search_context_size",)
    body = sent({"web_search_options": {"user_location": place}})
    location = {"type": "approximate", "city": "Ulm", "country": "DE"}
    assert body["tools"] == [
        {"type": "web_search_20250305", "name": "web_search", "max_uses": 10, "user_location": location}
    ]


def test_web_search_is_bounded_as_the_operator_says_and_left_out_where_it_is_none() -> None:
    made = translation({"web_search_options": {}}, call(max_queries=3))
    assert [tool.max_uses for tool in made.body.tools] == [3]
    none = translation({"web_search_options": {}}, call(max_queries=0))
    assert (none.body.tools, none.dropped) == (None, ("web_search_options",))


def test_json_schema_is_sent_as_output_format_with_its_constraints_described() -> None:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "age": {"type": "integer", "minimum": 0, "description": "Years"},
            "mail": {"type": "string", "format": "email", "pattern": "^(?=x)"},
            "pet": {"oneOf": [{"type": "string", "const": "cat"}, {"$ref": "#/$defs/Dog"}]},
            "nick": {"type": ["string", "null"]},
            "tags": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 3},
        },
        "required": ["age"],
        "$defs": {"Dog": {"type": "object", "properties": {"name": {"type": "string"}}}},
    }
    made = sent({"response_format": schema_format(schema)})["output_config"]["format"]
    assert made["type"] == "json_schema"
    assert made["schema"] == {
        "$defs": {"Dog": {"type": "object", "properties": {"name": {"type": "string"}}, "additionalProperties": False}},
        "type": "object",
        "properties": {
            "age": {"description": 'Years\n\nConstraints: {"minimum":0}', "type": "integer"},
            "mail": {"type": "string", "format": "email", "description": 'Constraints: {"pattern":"^(?=x)"}'},
            "pet": {"anyOf": [{"const": "cat"}, {"$ref": "#/$defs/Dog"}]},
            "nick": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "tags": {
                "type": "array",
                "items": {"type": "string"},
                "minItems": 1,
                "description": 'Constraints: {"maxItems":3}',
            },
        },
        "required": ["age"],
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    ("model", "fields", "choice", "tools"),
    [
        ("claude-sonnet-4-0", {}, {"type": "tool", "name": "json_tool_call"}, ["json_tool_call"]),
        ("claude-sonnet-4-0", {"tools": [TOOL]}, {"type": "any"}, ["f", "json_tool_call"]),
        (
            "claude-sonnet-4-0",
            {"tools": [TOOL], "tool_choice": "none"},
            {"type": "tool", "name": "json_tool_call"},
            ["json_tool_call"],
        ),
        ("claude-sonnet-4-0", {"tools": [TOOL], "tool_choice": "required"}, {"type": "any"}, ["f"]),
    ],
)
def test_json_schema_on_older_models_is_answered_by_a_tool(
    model: str, fields: dict, choice: dict, tools: list[str]
) -> None:
    body = sent({"response_format": schema_format(PARAMETERS), **fields}, call(model))
    assert body["tool_choice"] == choice
    assert [tool["name"] for tool in body["tools"]] == tools
    assert "output_config" not in body


def test_json_schema_with_free_keys_is_answered_by_a_tool_where_constrained_decoding_cannot_hold_it() -> None:
    schema = {"type": "object", "additionalProperties": {"type": "integer"}}
    body = sent({"response_format": schema_format(schema)})
    assert body["tools"][0]["input_schema"] == schema
    assert refused({"response_format": schema_format({"type": "array", "items": True})}).param == (
        "response_format.json_schema.schema"
    )


def test_json_object_becomes_an_instruction() -> None:
    body = sent({"response_format": {"type": "json_object"}})
    assert "JSON object" in body["system"][-1]["text"]


def test_schema_of_hostile_depth_or_size_is_translated_or_refused() -> None:
    deep: dict = {"type": "object", "properties": {}}
    for _ in range(150):
        deep = {"type": "object", "properties": {"d": deep}, "required": ["d"]}
    wide = {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(10_000)}}
    for schema in (deep, wide):
        assert sent({"response_format": schema_format(schema)})["tools"][0]["name"] == "json_tool_call"
        assert "strict" not in sent({"tools": [strict(parameters=schema)]})["tools"][0]
