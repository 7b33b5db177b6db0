"""Parameters, tools, structured output and thinking."""

import pytest

from adapters.base import Losses
from adapters.errors import ErrorKind, ProviderError
from adapters.google.request import to_generate_content
from tests.adapters.google.translate import ASKED, deployment, request, sent, sent_and_dropped


def function(name: str = "f", parameters: dict | None = None, **fields) -> dict:
    defined = {"name": name, **fields} | ({"parameters": parameters} if parameters is not None else {})
    return {"type": "function", "function": defined}


PLAIN = {"type": "object", "properties": {"city": {"type": "string", "enum": ["Ulm"]}}, "required": ["city"]}
STRICT = {**PLAIN, "additionalProperties": False}
NULLABLE = {"type": "object", "properties": {"city": {"type": ["string", "null"]}}}
TREE = {
    "type": "object",
    "properties": {
        "left": {"$ref": "#"},
        "right": {"$ref": "#"},
        "kind": {"const": "node"},
        "size": {"type": ["integer", "null"]},
    },
    "additionalProperties": False,
}


def test_request_parameters_reach_the_generation_config() -> None:
    config = sent(
        "gemini-2.0-flash",
        n=2,
        stop="END",
        max_completion_tokens=50,
        max_tokens=10,
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        seed=7,
        presence_penalty=0.1,
        frequency_penalty=0.2,
        logprobs=True,
        top_logprobs=3,
    )["generationConfig"]
    assert config == {
        "candidateCount": 2,
        "stopSequences": ["END"],
        "maxOutputTokens": 50,
        "temperature": 0.5,
        "topP": 0.9,
        "topK": 40,
        "seed": 7,
        "presencePenalty": 0.1,
        "frequencyPenalty": 0.2,
        "responseLogprobs": True,
        "logprobs": 3,
    }


def test_request_without_parameters_has_no_generation_config() -> None:
    assert set(sent()) == {"contents"}


def test_request_what_gemini_lacks_is_named() -> None:
    _, dropped = sent_and_dropped(
        logit_bias={"1": 2},
        user="u",
        metadata={"a": "b"},
        verbosity="low",
        seed=2**40,
        store=True,
        service_tier="scale",
    )
    assert set(dropped) == {"logit_bias", "user", "metadata", "verbosity", "seed", "store", "service_tier"}


def test_request_loss_under_the_policy_reject_is_refused() -> None:
    with pytest.raises(ProviderError) as caught:
        to_generate_content(request(user="u"), deployment(), Losses("reject"))
    assert (caught.value.kind, caught.value.param) == ("unsupported_parameter", "user")


@pytest.mark.parametrize(("tier", "expected"), [("default", "standard"), ("flex", "flex"), ("auto", None)])
def test_request_service_tier_has_googles_name(tier: str, expected: str | None) -> None:
    assert sent(service_tier=tier).get("serviceTier") == expected


# --- tools


@pytest.mark.parametrize(
    ("schema", "field"),
    [
        (PLAIN, "parameters"),
        (STRICT, "parametersJsonSchema"),
        (NULLABLE, "parametersJsonSchema"),
        (TREE, "parametersJsonSchema"),
        ({"type": "object", "properties": {}}, "parametersJsonSchema"),
        ({"type": "object", "properties": {"a": {"type": "string", "format": "email"}}}, "parametersJsonSchema"),
        ({"type": "object", "properties": {"a": {"type": "integer", "enum": [1]}}}, "parametersJsonSchema"),
    ],
)
def test_request_schema_travels_whole_in_the_form_that_can_say_it(schema: dict, field: str) -> None:
    declared = sent(tools=[function(parameters=schema)])["tools"][0]["functionDeclarations"][0]
    assert declared == {"name": "f", field: schema}


def test_request_tool_without_parameters_declares_none() -> None:
    tools = [function("a"), function("b", {}), function("c", None, description="C")]
    declared = sent(tools=tools)["tools"][0]["functionDeclarations"]
    assert declared == [{"name": "a"}, {"name": "b"}, {"name": "c", "description": "C"}]


def test_request_schema_that_is_no_object_is_refused_with_its_path() -> None:
    with pytest.raises(ProviderError) as caught:
        sent(tools=[{"type": "function", "function": {"name": "f", "parameters": [1]}}])
    assert caught.value.param == "tools[0].function.parameters"


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", {"mode": "AUTO"}),
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        ({"type": "function", "function": {"name": "f"}}, {"mode": "ANY", "allowedFunctionNames": ["f"]}),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]},
            },
            {"mode": "VALIDATED", "allowedFunctionNames": ["f"]},
        ),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "f"}}]},
            },
            {"mode": "ANY", "allowedFunctionNames": ["f"]},
        ),
    ],
)
def test_request_tool_choice_has_its_mode(choice: object, expected: dict) -> None:
    body = sent(tools=[function(), function("g")], tool_choice=choice)
    assert body["toolConfig"] == {"functionCallingConfig": expected}


def test_request_forced_choice_without_tools_is_refused_and_a_free_one_left_out() -> None:
    with pytest.raises(ProviderError) as caught:
        sent(tool_choice="required")
    assert caught.value.param == "tool_choice"
    body, dropped = sent_and_dropped(tool_choice="auto")
    assert "toolConfig" not in body
    assert dropped == ()


def test_request_illegal_tool_name_is_replaced_everywhere() -> None:
    tools = [function("9/weather")]
    body = sent(tools=tools, tool_choice={"type": "function", "function": {"name": "9/weather"}})
    name = body["tools"][0]["functionDeclarations"][0]["name"]
    assert name.startswith("_9_weather_")
    assert body["toolConfig"]["functionCallingConfig"]["allowedFunctionNames"] == [name]
    translated = to_generate_content(request(tools=tools), deployment(), Losses("drop"))
    assert translated.names.original(name) == "9/weather"


def test_request_free_text_tool_becomes_a_function_of_one_text() -> None:
    shell = {"type": "custom", "custom": {"name": "shell", "format": {"type": "text"}}}
    body, dropped = sent_and_dropped(tools=[shell])
    declared = body["tools"][0]["functionDeclarations"][0]
    assert declared["parameters"]["properties"] == {"input": {"type": "string"}}
    assert dropped == ()


def test_request_losses_of_tools_are_named() -> None:
    _, dropped = sent_and_dropped(tools=[function(strict=True)], parallel_tool_calls=False)
    assert dropped == ("tools[].function.strict", "parallel_tool_calls")


def test_request_web_search_is_googles_tool_and_may_stand_beside_functions() -> None:
    body, dropped = sent_and_dropped(web_search_options={"search_context_size": "low"})
    assert body["tools"] == [{"googleSearch": {}}]
    assert dropped == ("web_search_options.search_context_size",)
    mixed = sent("gemini-3.5-flash", web_search_options={}, tools=[function()])
    assert mixed["toolConfig"] == {"includeServerSideToolInvocations": True}
    assert "toolConfig" not in sent("gemini-2.5-flash", web_search_options={}, tools=[function()])


# --- structured output


def test_request_json_schema_travels_whole_from_gemini_2_on() -> None:
    config = sent(
        "gemini-2.5-flash",
        response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": TREE, "strict": True}},
    )["generationConfig"]
    assert config == {"responseMimeType": "application/json", "responseJsonSchema": TREE}


def test_request_json_schema_is_reduced_for_older_models_within_bounds() -> None:
    nullable = {"anyOf": [{"type": "string"}, {"type": "null"}]}
    schema = {
        "type": "object",
        "properties": {"tree": {"$ref": "#/$defs/tree"}, "name": nullable},
        "$defs": {
            "tree": {"type": "object", "properties": {"size": {"type": ["integer", "null"]}, "kind": {"const": "n"}}}
        },
        "additionalProperties": False,
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    config = sent("gemini-1.5-pro", response_format=wanted)["generationConfig"]
    assert config["responseSchema"] == {
        "type": "object",
        "properties": {
            "tree": {
                "type": "object",
                "properties": {
                    "size": {"type": "integer", "nullable": True},
                    "kind": {"type": "string", "enum": ["n"]},
                },
            },
            "name": {"type": "string", "nullable": True},
        },
    }
    endless = {"type": "json_schema", "json_schema": {"name": "x", "schema": TREE}}
    assert "responseSchema" in sent("gemini-1.5-pro", response_format=endless)["generationConfig"]


def test_request_json_object_asks_for_json() -> None:
    assert sent(response_format={"type": "json_object"})["generationConfig"] == {"responseMimeType": "application/json"}
    assert "generationConfig" not in sent(response_format={"type": "text"})


def test_request_spoken_answer_has_voice_and_modality() -> None:
    config = sent(modalities=["text", "audio"], audio={"format": "pcm16", "voice": "Kore"})["generationConfig"]
    assert config["responseModalities"] == ["AUDIO"]
    assert config["speechConfig"] == {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}}
    with pytest.raises(ProviderError) as caught:
        sent(modalities=["audio"], audio={"format": "mp3", "voice": "Kore"})
    assert caught.value.param == "audio.format"


# --- thinking

SHOWN = {"includeThoughts": True}


@pytest.mark.parametrize(
    ("model", "fields", "expected", "dropped"),
    [
        ("gemini-3.5-flash", {"reasoning_effort": "low"}, {**SHOWN, "thinkingLevel": "low"}, ()),
        ("gemini-3.5-flash", {"reasoning_effort": "minimal"}, {**SHOWN, "thinkingLevel": "minimal"}, ()),
        (
            "gemini-3.5-flash",
            {"reasoning_effort": "max"},
            {**SHOWN, "thinkingLevel": "high"},
            ("reasoning_effort",),
        ),
        (
            "models/gemini-3.1-pro-preview",
            {"reasoning_effort": "none"},
            {"includeThoughts": False, "thinkingLevel": "low"},
            ("reasoning_effort",),
        ),
        ("gemini-3-pro-preview", {"reasoning_effort": "medium"}, {**SHOWN, "thinkingLevel": "medium"}, ()),
        (
            "gemini-3.5-flash",
            {"thinking": {"type": "enabled", "budget_tokens": 9000}},
            {**SHOWN, "thinkingLevel": "medium"},
            ("thinking.budget_tokens",),
        ),
        ("gemini-3.5-flash", {"thinking": {"type": "adaptive"}}, SHOWN, ()),
        ("gemini-flash-latest", {"reasoning_effort": "high"}, {**SHOWN, "thinkingLevel": "high"}, ()),
        (
            "gemini-2.5-flash",
            {"reasoning_effort": "none"},
            {"includeThoughts": False, "thinkingBudget": 0},
            (),
        ),
        (
            "gemini-2.5-pro",
            {"reasoning_effort": "none"},
            {"includeThoughts": False, "thinkingBudget": 128},
            ("reasoning_effort",),
        ),
        ("gemini-2.5-pro", {"reasoning_effort": "max"}, {**SHOWN, "thinkingBudget": 32768}, ()),
        ("gemini-2.5-flash", {"reasoning_effort": "low"}, {**SHOWN, "thinkingBudget": 1024}, ()),
        (
            "gemini-2.5-flash-lite",
            {"thinking": {"type": "enabled", "budget_tokens": 100}},
            {**SHOWN, "thinkingBudget": 512},
            ("thinking",),
        ),
        (
            "gemini-2.5-flash",
            {"reasoning": {"max_tokens": 3000, "exclude": True}, "reasoning_effort": "high"},
            {"includeThoughts": False, "thinkingBudget": 3000},
            (),
        ),
        ("gemini-2.5-flash", {"reasoning": {"enabled": True}}, {**SHOWN, "thinkingBudget": -1}, ()),
        ("gemini-2.0-flash", {"reasoning_effort": "high"}, None, ("reasoning_effort",)),
        ("gemini-2.0-flash", {"reasoning_effort": "none"}, None, ()),
        ("gemini-2.5-flash-image", {"reasoning_effort": "low"}, None, ("reasoning_effort",)),
        ("gemini-2.5-flash", {}, None, ()),
    ],
)
def test_request_reasoning_reaches_the_models_own_knob(
    model: str, fields: dict, expected: dict | None, dropped: tuple[str, ...]
) -> None:
    body, named = sent_and_dropped(model, **fields)
    assert body.get("generationConfig", {}).get("thinkingConfig") == expected
    assert named == dropped


def test_request_options_overrule_the_table() -> None:
    body = sent("my-tuned-model", options={"generation": "2.5", "thinking": "budget"}, reasoning_effort="medium")
    assert body["generationConfig"]["thinkingConfig"] == {**SHOWN, "thinkingBudget": 8192}
    with pytest.raises(ProviderError, match="generation"):
        sent(options={"generation": "new"})
    with pytest.raises(ProviderError, match="thinking"):
        sent(options={"thinking": "much"})


# --- structured output beside tools, which models before Gemini 3 refuse

FUNCTION = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
ANSWER = {"type": "object", "properties": {"sunny": {"type": "boolean"}}, "required": ["sunny"]}
IN_SCHEMA = {"type": "json_schema", "json_schema": {"name": "x", "schema": ANSWER}}


def instructions(body: dict) -> str:
    return "".join(part["text"] for part in body["systemInstruction"]["parts"])


@pytest.mark.parametrize("choice", ["auto", None])
def test_schema_beside_tools_becomes_a_function_before_gemini_3(choice: str | None) -> None:
    fields = {"tools": [FUNCTION], "response_format": IN_SCHEMA} | ({"tool_choice": choice} if choice else {})
    body, dropped = sent_and_dropped("gemini-2.5-flash", **fields)
    declared = body["tools"][0]["functionDeclarations"]
    assert [one["name"] for one in declared] == ["f", "json_tool_call"]
    assert declared[1]["parameters"] == ANSWER
    assert body["toolConfig"] == {"functionCallingConfig": {"mode": "ANY"}}
    assert not {"generationConfig", "systemInstruction"} & set(body)
    assert dropped == ()
    native = sent("gemini-3.5-flash", **fields)
    assert native["generationConfig"]["responseMimeType"] == "application/json"
    assert [one["name"] for one in native["tools"][0]["functionDeclarations"]] == ["f"]


def test_schema_with_references_becomes_a_function_that_keeps_them() -> None:
    schema = {**ANSWER, "additionalProperties": False, "$defs": {"a": {"type": "string"}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    body = sent("gemini-2.5-flash", tools=[FUNCTION], response_format=wanted)
    assert body["tools"][0]["functionDeclarations"][1]["parametersJsonSchema"] == schema


def test_json_object_beside_tools_becomes_an_instruction_before_gemini_3() -> None:
    messages = [{"role": "system", "content": "Be brief."}, *ASKED]
    fields = {"tools": [FUNCTION], "response_format": {"type": "json_object"}, "messages": messages}
    body, dropped = sent_and_dropped("gemini-2.5-flash", **fields)
    assert "generationConfig" not in body
    assert instructions(body).startswith("Be brief.")
    assert "JSON object" in instructions(body)
    assert dropped == ()


def test_format_beside_tools_that_must_not_be_called_is_native_and_leaves_them_out() -> None:
    body, dropped = sent_and_dropped(
        "gemini-2.5-flash", tools=[FUNCTION], tool_choice="none", response_format=IN_SCHEMA
    )
    assert body["generationConfig"]["responseJsonSchema"] == ANSWER
    assert not {"tools", "toolConfig", "systemInstruction"} & set(body)
    assert dropped == ()


def test_format_beside_googles_own_search_becomes_an_instruction_before_gemini_3() -> None:
    body, dropped = sent_and_dropped("gemini-2.5-flash", web_search_options={}, response_format=IN_SCHEMA)
    assert "generationConfig" not in body
    assert "sunny" in instructions(body)
    assert dropped == ("response_format",)


def test_request_more_stop_sequences_than_five_are_refused_with_the_bound() -> None:
    stops = ["A", "B", "C", "D", "E"]
    assert sent(stop=stops)["generationConfig"]["stopSequences"] == stops
    with pytest.raises(ProviderError, match="at most 5") as caught:
        sent(stop=[*stops, "F"])
    assert (caught.value.kind, caught.value.param) == (ErrorKind.UNSUPPORTED_PARAMETER, "stop")
