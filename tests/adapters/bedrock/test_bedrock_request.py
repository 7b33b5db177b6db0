"""What a request becomes: turns, parameters, reasoning, structured answers, and what is lost on the way."""

import base64
import json

import pytest

from adapters.errors import ErrorKind
from tests.adapters.bedrock.translate import (
    CITY,
    CLAUDE,
    FORMAT,
    LLAMA,
    LOOP,
    MISTRAL,
    NOVA,
    OLD,
    OPUS,
    WEATHER,
    call,
    names_of,
    refused,
    sent,
    translation,
    turns,
)


def test_plain_question_is_nothing_but_messages() -> None:
    assert sent({}) == {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}


def test_parameters_stand_where_converse_has_them() -> None:
    fields = {"max_completion_tokens": 9, "temperature": 0.5, "stop": ["END", " "], "top_k": 5, "service_tier": "flex"}
    made = translation({**fields, "metadata": {"team": "a"}, "seed": 1})
    assert json.loads(made.encode()) == {
        "messages": [{"role": "user", "content": [{"text": "Hi"}]}],
        "inferenceConfig": {"maxTokens": 9, "temperature": 0.5, "stopSequences": ["END"]},
        "additionalModelRequestFields": {"top_k": 5},
        "additionalModelResponseFieldPaths": ["/stop_sequence"],
        "requestMetadata": {"team": "a"},
        "serviceTier": {"type": "flex"},
    }
    assert made.dropped == ("stop", "seed")


def test_turns_alternate_and_system_stands_apart() -> None:
    messages = [
        {"role": "system", "content": "Be short."},
        {"role": "assistant", "content": "Hello  "},
        {"role": "user", "content": "A"},
        {"role": "user", "content": [{"type": "text", "text": " "}, {"type": "text", "text": "B"}]},
        {"role": "developer", "content": "Be kind."},
        {"role": "assistant", "content": "Sure, "},
    ]
    body = sent({"messages": messages})
    assert body["system"] == [{"text": "Be short."}, {"text": "Be kind."}]
    assert [(turn["role"], [block["text"] for block in turn["content"]]) for turn in body["messages"]] == [
        ("user", ["(start of the conversation)"]),
        ("assistant", ["Hello  "]),
        ("user", ["A", "B"]),
        ("assistant", ["Sure,"]),
    ]


def test_system_alone_is_the_question() -> None:
    assert sent({"messages": [{"role": "system", "content": "Hi"}]}) == {
        "messages": [{"role": "user", "content": [{"text": "Hi"}]}]
    }


def test_cache_control_becomes_a_cache_point_behind_its_block() -> None:
    mark = {"type": "ephemeral", "ttl": "1h"}
    fields = {
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "A", "cache_control": mark}]},
            {"role": "user", "content": "B", "cache_control": {"type": "ephemeral"}},
        ],
        "tools": [{**WEATHER, "cache_control": mark}],
    }
    body = sent(fields)
    assert body["system"] == [{"text": "A"}, {"cachePoint": {"type": "default", "ttl": "1h"}}]
    assert body["messages"][0]["content"] == [{"text": "B"}, {"cachePoint": {"type": "default"}}]
    assert body["toolConfig"]["tools"][1] == {"cachePoint": {"type": "default", "ttl": "1h"}}
    nova = translation(fields, call(NOVA))
    assert len(json.loads(nova.encode())["toolConfig"]["tools"]) == 1
    assert nova.dropped == ("cache_control",)
    llama = translation({"messages": fields["messages"]}, call(LLAMA))
    assert b"cachePoint" not in llama.encode()
    assert llama.dropped == ("cache_control",)


def test_reasoning_has_the_form_of_the_models_family() -> None:
    fields = {"reasoning_effort": "medium", "temperature": 0.5}
    budget = sent(fields)
    assert budget["additionalModelRequestFields"] == {"reasoning_config": {"type": "enabled", "budget_tokens": 2048}}
    assert budget["inferenceConfig"] == {"maxTokens": 64_000}
    adaptive = sent(fields, call(OPUS))
    assert adaptive["additionalModelRequestFields"] == {"thinking": {"type": "adaptive", "display": "summarized"}}
    assert adaptive["outputConfig"] == {"effort": "medium"}
    nova = sent(fields, call(NOVA))
    assert nova["additionalModelRequestFields"] == {
        "reasoningConfig": {"type": "enabled", "maxReasoningEffort": "medium"}
    }
    assert nova["inferenceConfig"] == {"temperature": 0.5}
    gpt = sent(fields, call("openai.gpt-oss-120b-1:0"))
    assert gpt["additionalModelRequestFields"] == {"reasoning_effort": "medium"}
    assert translation(fields, call(LLAMA)).dropped == ("reasoning_effort",)


def test_highest_reasoning_of_nova_takes_no_parameter() -> None:
    made = translation({"reasoning_effort": "high", "temperature": 0.5, "max_tokens": 9}, call(NOVA))
    assert "inferenceConfig" not in json.loads(made.encode())
    assert made.dropped == ("temperature", "max_tokens")


def test_model_behind_an_arn_is_the_one_that_the_option_names() -> None:
    options = {"region": "us-east-1", "base_model": CLAUDE}
    arn = call("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc", options=options)
    assert "reasoning_config" in sent({"reasoning_effort": "low"}, arn)["additionalModelRequestFields"]


def test_reasoning_goes_back_to_its_own_family_only() -> None:
    details = [
        {"type": "reasoning.text", "format": "anthropic-claude-v1", "text": "Hm", "signature": "c2ln", "index": 0},
        {"type": "reasoning.encrypted", "format": "anthropic-claude-v1", "data": "RW5j", "index": 1},
        {"type": "reasoning.encrypted", "format": "bedrock-converse-v1", "data": "b3du", "index": 2},
        {"type": "reasoning.text", "format": "bedrock-converse-v1", "text": "unsigned", "index": 3},
    ]
    messages = [*LOOP[:1], {**LOOP[1], "reasoning_details": details}, LOOP[2]]
    claude = turns(messages, tools=[WEATHER], reasoning_effort="low")[1][1]
    assert claude[:2] == [
        {"reasoningContent": {"reasoningText": {"text": "Hm", "signature": "c2ln"}}},
        {"reasoningContent": {"redactedContent": base64.b64encode(b"RW5j").decode()}},
    ]
    nova = turns(messages, call(NOVA), tools=[WEATHER])[1][1]
    assert nova[0] == {"reasoningContent": {"redactedContent": "b3du"}}
    assert "reasoningContent" not in nova[1]
    assert "reasoningContent" not in turns(messages, tools=[WEATHER])[1][1][0]


def test_tool_loop_that_lost_its_reasoning_goes_on_without() -> None:
    made = translation({"messages": LOOP, "tools": [WEATHER], "reasoning_effort": "low"})
    assert b"reasoning_config" not in made.encode()
    assert made.dropped == ("reasoning_effort",)


def test_schema_is_native_where_the_model_has_it() -> None:
    body = sent({"response_format": FORMAT})
    definition = body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
    assert definition["name"] == "place"
    assert json.loads(definition["schema"])["properties"] == CITY["properties"]
    assert "toolConfig" not in body


def test_schema_becomes_a_tool_that_must_be_called() -> None:
    for model in (OLD, NOVA):
        made = translation({"response_format": FORMAT}, call(model))
        body = json.loads(made.encode())
        assert made.names.has_answer_tool
        assert names_of(body) == ["json_tool_call"]
        assert body["toolConfig"]["toolChoice"] == {"tool": {"name": "json_tool_call"}}
    both = sent({"response_format": FORMAT, "tools": [WEATHER]}, call(MISTRAL))
    assert names_of(both) == ["get_weather", "json_tool_call"]
    assert both["toolConfig"]["toolChoice"] == {"any": {}}


def test_schema_becomes_an_instruction_where_no_call_can_be_forced() -> None:
    made = translation({"response_format": FORMAT}, call(LLAMA))
    body = json.loads(made.encode())
    assert not made.names.has_answer_tool
    assert made.dropped == ("response_format",)
    assert "toolConfig" not in body
    assert json.dumps(CITY, separators=(",", ":")) in body["system"][0]["text"].replace(", ", ",").replace(": ", ":")


def test_web_search_is_novas_own() -> None:
    assert sent({"web_search_options": {}}, call(NOVA))["toolConfig"]["tools"] == [
        {"systemTool": {"name": "nova_grounding"}}
    ]
    made = translation({"web_search_options": {}})
    assert "toolConfig" not in json.loads(made.encode())
    assert made.dropped == ("web_search_options",)


def test_guardrail_is_the_operators() -> None:
    options = {"region": "us-east-1", "guardrail_identifier": "g1", "guardrail_trace": "enabled"}
    config = {"guardrailIdentifier": "g1", "guardrailVersion": "DRAFT", "trace": "enabled"}
    assert sent({}, call(options=options))["guardrailConfig"] == config


def test_unknown_fields_go_to_the_model_where_they_are_forwarded() -> None:
    extra = {
        "performanceConfig": {"latency": "optimized"},
        "additionalModelRequestFields": {"a": 1},
        "b": 2,
    }
    body = sent({"top_k": 3}, call(extra=extra, extra_params="forward"))
    assert body["performanceConfig"] == {"latency": "optimized"}
    assert body["additionalModelRequestFields"] == {"top_k": 3, "a": 1, "b": 2}
    assert translation({}, call(extra=extra)).dropped == tuple(extra)
    wrong = call(extra={"additionalModelRequestFields": [1]}, extra_params="forward")
    assert refused({}, wrong).kind is ErrorKind.INVALID_REQUEST


def test_forwarded_fields_replace_nothing_and_choose_no_guardrail_or_model() -> None:
    extra = {
        "guardrailConfig": {"guardrailIdentifier": "none"},
        "modelId": "other",
        "aws_region_name": "elsewhere",
        "serviceTier": {"type": "priority"},
        "additionalModelRequestFields": {"top_k": 9},
    }
    made = translation({"top_k": 3, "service_tier": "flex"}, call(extra=extra, extra_params="forward"))
    body = json.loads(made.encode())
    assert body["serviceTier"] == {"type": "flex"}
    assert body["additionalModelRequestFields"] == {"top_k": 3}
    assert "guardrailConfig" not in body
    assert "modelId" not in body
    assert set(made.dropped) == {"guardrailConfig", "modelId", "aws_region_name", "serviceTier", "top_k"}


@pytest.mark.parametrize(
    ("fields", "param"),
    [({"n": 2}, "n"), ({"modalities": ["text", "audio"]}, "modalities")],
)
def test_what_no_answer_can_satisfy_is_refused(fields: dict, param: str) -> None:
    assert refused(fields).param == param
