"""What a request becomes: turns, tools, media, reasoning, structured answers, and what is lost on the way."""

import base64
import json

import pytest

from adapters.errors import ErrorKind, ProviderError
from tests.adapters.bedrock.translate import CLAUDE, call, sent, translation, turns

NOVA = "us.amazon.nova-2-lite-v1:0"
MISTRAL = "mistral.mistral-large-2407-v1:0"
LLAMA = "meta.llama3-1-70b-instruct-v1:0"
OPUS = "anthropic.claude-opus-4-6-v1"
OLD = "anthropic.claude-3-sonnet-20240229-v1:0"
DATA = base64.b64encode(b"bytes").decode()
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"type": "function", "function": {"name": "get_weather", "description": "Weather", "parameters": CITY}}
FORMAT = {"type": "json_schema", "json_schema": {"name": "place", "schema": CITY}}
CALLED = {"id": "t1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Ulm"}'}}
LOOP = [
    {"role": "user", "content": "Weather?"},
    {"role": "assistant", "content": "Let me see.", "tool_calls": [CALLED]},
    {"role": "tool", "tool_call_id": "t1", "content": "Sunny"},
]


def names_of(body: dict) -> list[str]:
    return [tool["toolSpec"]["name"] for tool in body["toolConfig"]["tools"] if "toolSpec" in tool]


def refused(fields: dict, at=None) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        sent(fields, at)
    return caught.value


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


def test_tool_loop_keeps_text_calls_and_results() -> None:
    body = sent({"messages": [*LOOP, {"role": "user", "content": "And?"}], "tools": [WEATHER]})
    assert body["messages"][1:] == [
        {
            "role": "assistant",
            "content": [
                {"text": "Let me see."},
                {"toolUse": {"toolUseId": "t1", "name": "get_weather", "input": {"city": "Ulm"}}},
            ],
        },
        {
            "role": "user",
            "content": [{"toolResult": {"toolUseId": "t1", "content": [{"text": "Sunny"}]}}, {"text": "And?"}],
        },
    ]
    spec = {"name": "get_weather", "description": "Weather", "inputSchema": {"json": CITY}}
    assert body["toolConfig"] == {"tools": [{"toolSpec": spec}]}


def test_failed_result_has_a_status_where_the_model_knows_it() -> None:
    messages = [*LOOP[:2], {"role": "tool", "tool_call_id": "t1", "content": "", "is_error": True}]
    result = {"toolUseId": "t1", "content": [{"text": "(no output)"}]}
    assert turns(messages, tools=[WEATHER])[-1][1] == [{"toolResult": {**result, "status": "error"}}]
    made = translation({"messages": messages, "tools": [WEATHER]}, call(LLAMA))
    assert json.loads(made.encode())["messages"][-1]["content"] == [{"toolResult": result}]
    assert made.dropped == ("messages[].is_error",)


def test_image_in_a_result_stays_inside_it() -> None:
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{DATA}"}}
    messages = [*LOOP[:2], {"role": "tool", "tool_call_id": "t1", "content": [image]}]
    media = {"format": "png", "source": {"bytes": DATA}}
    assert turns(messages, tools=[WEATHER])[-1][1][0]["toolResult"]["content"] == [{"image": media}]


@pytest.mark.parametrize("messages", [LOOP[:2], LOOP[2:], [*LOOP[:2], {"role": "user", "content": "Hm"}]])
def test_orphan_of_a_tool_loop_is_an_invalid_history(messages: list[dict]) -> None:
    assert refused({"messages": messages, "tools": [WEATHER]}).kind is ErrorKind.INVALID_TOOL_HISTORY


@pytest.mark.parametrize(
    ("choice", "made"),
    [
        ("auto", {"auto": {}}),
        ("required", {"any": {}}),
        ({"type": "function", "function": {"name": "get_weather"}}, {"tool": {"name": "get_weather"}}),
    ],
)
def test_tool_choice_has_its_form(choice: object, made: dict) -> None:
    assert sent({"tools": [WEATHER], "tool_choice": choice})["toolConfig"]["toolChoice"] == made


ONE_CALL = {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}


@pytest.mark.parametrize(
    "model",
    [
        CLAUDE, OPUS, "eu.anthropic.claude-opus-4-5-20251101-v1:0", "global.anthropic.claude-haiku-4-5-20251001-v1:0",
        "anthropic.claude-sonnet-5", "anthropic.claude-opus-4-10",
    ],
)  # fmt: skip
@pytest.mark.parametrize("choice", [{}, {"tool_choice": "auto"}])
def test_claude_is_told_of_one_call_alone_beside_no_other_choice(model: str, choice: dict) -> None:
    made = translation({"tools": [WEATHER], "parallel_tool_calls": False, **choice}, call(model))

    body = json.loads(made.encode())
    assert body["additionalModelRequestFields"] == ONE_CALL
    assert "toolChoice" not in body["toolConfig"]
    assert made.dropped == ()


@pytest.mark.parametrize(
    ("fields", "model"),
    [
        ({"tool_choice": "required"}, CLAUDE),
        ({"tool_choice": {"type": "function", "function": {"name": "get_weather"}}}, CLAUDE),
        ({"response_format": FORMAT}, "anthropic.claude-opus-4-1-20250805-v1:0"),
        *(({}, old) for old in (
            OLD, "anthropic.claude-3-5-sonnet-20241022-v2:0", "us.anthropic.claude-3-7-sonnet-20250219-v1:0",
            "us.anthropic.claude-sonnet-4-20250514-v1:0", "anthropic.claude-opus-4-20250514-v1:0",
            "anthropic.claude-opus-4-1-20250805-v1:0", "anthropic.claude-v2:1", "anthropic.claude-instant-v1",
            "claude-sonnet-4@20250514", "claude-opus-4", "claude-4-opus", NOVA, MISTRAL, LLAMA,
        )),
    ],
)  # fmt: skip
def test_wish_for_one_call_is_named_where_it_cannot_be_said(fields: dict, model: str) -> None:
    """A demanded call has its place in Converse's own fields, and Claude's beside it is a 400."""
    made = translation({"tools": [WEATHER], "parallel_tool_calls": False, **fields}, call(model))

    assert "tool_choice" not in json.loads(made.encode()).get("additionalModelRequestFields", {})
    assert "parallel_tool_calls" in made.dropped


@pytest.mark.parametrize("fields", [{}, {"tools": [WEATHER], "tool_choice": "none"}])
def test_wish_for_one_call_without_tools_to_call_is_nothing(fields: dict) -> None:
    made = translation({"parallel_tool_calls": False, **fields})

    assert "additionalModelRequestFields" not in json.loads(made.encode())
    assert made.dropped == ()


def test_one_call_stands_beside_thinking_and_replaces_what_is_forwarded() -> None:
    fields = {"tools": [WEATHER], "parallel_tool_calls": False, "reasoning_effort": "low", "max_tokens": 9000}
    at = call(extra={"additionalModelRequestFields": {"tool_choice": {"type": "any"}}}, extra_params="forward")

    made = translation(fields, at)

    additional = json.loads(made.encode())["additionalModelRequestFields"]
    assert additional.keys() == {"reasoning_config", "tool_choice"}
    assert additional["tool_choice"] == ONE_CALL["tool_choice"]
    assert made.dropped == ("tool_choice",)


def test_tool_choice_none_leaves_the_tools_out() -> None:
    assert "toolConfig" not in sent({"tools": [WEATHER], "tool_choice": "none"})


@pytest.mark.parametrize(
    ("fields", "dropped"), [({"tools": [WEATHER], "tool_choice": "none"}, "tool_choice"), ({}, "tools")]
)
def test_history_with_calls_keeps_definitions_and_asks_for_text(fields: dict, dropped: str) -> None:
    made = translation({"messages": LOOP, **fields})
    body = json.loads(made.encode())
    assert names_of(body) == ["get_weather"]
    assert "toolChoice" not in body["toolConfig"]
    assert body["system"] == [{"text": "Do not call any tool. Answer in text."}]
    assert made.dropped == (dropped,)


def test_names_beyond_the_limit_are_shortened_and_put_back() -> None:
    long, dotted = "f" * 100, "a.b/c"
    tools = [{"type": "function", "function": {"name": name}} for name in (long, dotted, long[:-1])]
    made = translation({"tools": tools})
    names = names_of(json.loads(made.encode()))
    assert len(set(names)) == 3
    assert all(len(name) <= 64 and name.replace("_", "").isalnum() for name in names)
    assert [made.names.original(name) for name in names] == [long, dotted, long[:-1]]


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


@pytest.mark.parametrize(
    ("part", "block"),
    [
        (
            {"type": "image_url", "image_url": {"url": f"data:image/jpg;base64,{DATA}"}},
            {"image": {"format": "jpeg", "source": {"bytes": DATA}}},
        ),
        (
            {"type": "image_url", "image_url": {"url": "s3://bucket/a.b/kiwi.JPG"}},
            {"image": {"format": "jpeg", "source": {"s3Location": {"uri": "s3://bucket/a.b/kiwi.JPG"}}}},
        ),
        (
            {"type": "video_url", "video_url": {"url": f"data:video/mp4;base64,{DATA}"}},
            {"video": {"format": "mp4", "source": {"bytes": DATA}}},
        ),
        (
            {"type": "input_audio", "input_audio": {"data": DATA, "format": "wav"}},
            {"audio": {"format": "wav", "source": {"bytes": DATA}}},
        ),
        (
            {"type": "file", "file": {"file_data": f"data:text/csv;base64,{DATA}", "filename": "a.b__c.csv"}},
            {"document": {"format": "csv", "name": "a b c csv", "source": {"bytes": DATA}}},
        ),
        (
            {"type": "file", "file": {"file_data": "JVBERi0x"}},
            {"document": {"format": "pdf", "name": "document", "source": {"bytes": "JVBERi0x"}}},
        ),
        (
            {"type": "file", "file": {"file_data": f"data:image/png;base64,{DATA}"}},
            {"image": {"format": "png", "source": {"bytes": DATA}}},
        ),
    ],
)
def test_media_becomes_bytes_or_an_address_of_the_providers_store(part: dict, block: dict) -> None:
    text = {"type": "text", "text": "Look:"}
    assert turns([{"role": "user", "content": [text, part]}])[0][1] == [{"text": "Look:"}, block]


def test_documents_have_names_of_their_own_and_a_text_beside_them() -> None:
    pdf = {"type": "file", "file": {"file_data": "JVBERi0x"}}
    call_ = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    made = turns(
        [
            {"role": "user", "content": [pdf]},
            {"role": "assistant", "tool_calls": [call_]},
            {"role": "tool", "tool_call_id": "c1", "content": [pdf]},
            {"role": "user", "content": [{"type": "text", "text": "And?"}, pdf]},
        ]
    )
    first, last = made[0][1], made[2][1]
    assert list(first[0]) == ["text"]
    assert first[1]["document"]["name"] == "document"
    assert last[0]["toolResult"]["content"][0]["document"]["name"] == "document (2)"
    assert [block.get("document", {}).get("name") for block in last[1:]] == [None, "document (3)"]


def test_media_of_an_earlier_answer_follow_in_the_users_turn() -> None:
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{DATA}"}}
    answer = {"role": "assistant", "content": "Here:", "images": [image]}
    made = turns([{"role": "user", "content": "Draw"}, answer, {"role": "user", "content": "Nice"}])
    assert made[1] == ("assistant", [{"text": "Here:"}])
    assert [next(iter(block)) for block in made[2][1]] == ["text", "image", "text"]


@pytest.mark.parametrize(
    ("part", "kind", "param"),
    [
        (
            {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}},
            "unsupported_parameter",
            "image_url.url",
        ),
        (
            {"type": "image_url", "image_url": {"url": "data:image/bmp;base64,AA=="}},
            "unsupported_parameter",
            "image_url.url",
        ),
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,A_A="}}, "invalid_request", "image_url.url"),
        ({"type": "image_url", "image_url": {"url": "s3://bucket/a.tiff"}}, "unsupported_parameter", "image_url.url"),
        (
            {"type": "input_audio", "input_audio": {"data": "AA", "format": "x"}},
            "unsupported_parameter",
            "input_audio.format",
        ),
        ({"type": "file", "file": {"file_id": "file-1"}}, "unsupported_parameter", "file.file_id"),
    ],
)
def test_media_that_cannot_be_carried_is_refused_with_its_path(part: dict, kind: str, param: str) -> None:
    error = refused({"messages": [{"role": "user", "content": [part]}]})
    assert (error.kind, error.param) == (kind, f"messages[0].content[0].{param}")


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
