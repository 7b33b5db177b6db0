"""What is sent to Cohere for a request, what is reported as lost, and what is refused."""

import base64
import json

import pytest

from adapters.errors import ErrorKind, ProviderError
from tests.adapters.cohere.translate import ASKED, refused, sent, sent_and_dropped

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CLOCK = {"type": "function", "function": {"name": "get_time"}}
CALLED = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Ulm"}'}}
PNG = "data:image/png;base64,aW1hZ2U="


def history(*results: dict, **assistant) -> list[dict]:
    return [*ASKED, {"role": "assistant", "tool_calls": [CALLED], **assistant}, *results]


def test_request_plain_question_sends_nothing_else() -> None:
    assert sent_and_dropped() == ({"model": "command-a-03-2025", "messages": ASKED}, ())


def test_request_parameters_travel_under_cohere_names() -> None:
    body, dropped = sent_and_dropped(
        max_tokens=5, max_completion_tokens=7, stop="END", temperature=0.5, top_p=0.9, top_k=40, seed=1,
        frequency_penalty=0.5, presence_penalty=0.0, logprobs=True, stream=True,
    )  # fmt: skip
    del body["model"], body["messages"]
    assert body == {
        "max_tokens": 7, "stop_sequences": ["END"], "temperature": 0.5, "p": 0.9, "k": 40, "seed": 1,
        "frequency_penalty": 0.5, "logprobs": True,
    }  # fmt: skip
    assert dropped == ()


def test_request_values_beyond_cohere_become_the_nearest_and_are_named() -> None:
    body, dropped = sent_and_dropped(
        temperature=1.5, top_p=1, top_k=900, frequency_penalty=-1, presence_penalty=2, seed=-1, top_logprobs=3
    )
    assert (body["temperature"], body["p"], body["k"], body["presence_penalty"]) == (1.0, 0.99, 500, 1.0)
    assert not {"seed", "frequency_penalty"} & set(body)
    assert set(dropped) == {
        "temperature", "top_p", "top_k", "frequency_penalty", "presence_penalty", "seed", "top_logprobs",
    }  # fmt: skip


def test_request_fields_without_equivalent_are_named() -> None:
    fields = {
        "logit_bias": {"1": 1}, "metadata": {"a": "b"}, "user": "u", "store": True, "service_tier": "flex",
        "web_search_options": {}, "verbosity": "low", "prompt_cache_key": "k",
    }  # fmt: skip
    body, dropped = sent_and_dropped(**fields)
    assert set(body) == {"model", "messages"}
    assert set(dropped) == set(fields)


@pytest.mark.parametrize(("fields", "param"), [({"n": 2}, "n"), ({"modalities": ["text", "audio"]}, "modalities")])
def test_request_what_changes_the_answer_is_refused(fields: dict, param: str) -> None:
    error = refused(**fields)
    assert (error.kind, error.param) == (ErrorKind.UNSUPPORTED_PARAMETER, param)


def test_request_options_of_the_deployment_are_sent() -> None:
    body = sent(options={"safety_mode": "STRICT", "citation_mode": "FAST"})
    assert (body["safety_mode"], body["citation_options"]) == ("STRICT", {"mode": "FAST"})


@pytest.mark.parametrize(
    ("response_format", "expected"),
    [
        ({"type": "text"}, None),
        ({"type": "json_object"}, {"type": "json_object"}),
        (
            {"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": {"type": "object"}}},
            {"type": "json_object", "json_schema": {"type": "object"}},
        ),
        ({"type": "json_schema", "json_schema": {"name": "n"}}, {"type": "json_object"}),
    ],
)
def test_request_response_format_is_json_object_with_the_schema(response_format: dict, expected: dict | None) -> None:
    assert sent(response_format=response_format).get("response_format") == expected


# --- messages


def test_messages_instructions_stand_first_in_one_message() -> None:
    messages = [
        {"role": "system", "content": "A"},
        *ASKED,
        {"role": "developer", "content": [{"type": "text", "text": "B"}]},
    ]
    blocks = [{"type": "text", "text": "A"}, {"type": "text", "text": "B"}]
    assert sent(messages=messages)["messages"] == [{"role": "system", "content": blocks}, *ASKED]


def test_messages_instructions_alone_are_asked_and_nothing_is_refused() -> None:
    assert sent(messages=[{"role": "system", "content": "A"}])["messages"] == [{"role": "user", "content": "A"}]
    error = refused(messages=[{"role": "user", "content": ""}])
    assert (error.kind, error.param) == (ErrorKind.INVALID_REQUEST, "messages")


def test_messages_images_and_text_files_are_shown_and_attached() -> None:
    text = base64.b64encode("Grüße".encode()).decode()
    parts = [
        {"type": "text", "text": "Look:"},
        {"type": "image_url", "image_url": {"url": PNG, "detail": "original"}},
        {"type": "file", "file": {"file_data": f"data:text/plain;base64,{text}", "filename": "a.txt"}},
    ]
    body = sent(messages=[{"role": "user", "content": parts}])
    assert body["messages"][0]["content"] == [
        {"type": "text", "text": "Look:"},
        {"type": "image_url", "image_url": {"url": PNG, "detail": "high"}},
    ]
    assert body["documents"] == [{"data": {"title": "a.txt", "text": "Grüße"}}]


@pytest.mark.parametrize("form", ["json_object", "json_schema"])
def test_messages_text_files_beside_a_form_of_the_answer_are_texts(form: str) -> None:
    text = base64.b64encode("Grüße".encode()).decode()
    file = {"file_data": f"data:text/plain;base64,{text}", "filename": "a.txt"}
    parts = [{"type": "file", "file": file}, {"type": "text", "text": "Say it as JSON."}]
    wanted = {"type": form, "json_schema": {"name": "n", "schema": {"type": "object"}}}
    body, dropped = sent_and_dropped(messages=[{"role": "user", "content": parts}], response_format=wanted)
    assert body["messages"][0]["content"] == [
        {"type": "text", "text": "a.txt\nGrüße"},
        {"type": "text", "text": "Say it as JSON."},
    ]
    assert "documents" not in body
    assert body["response_format"]["type"] == "json_object"
    assert dropped == ()


def test_messages_text_files_beside_a_form_told_in_words_or_by_tool_stay_documents() -> None:
    file = {"type": "file", "file": {"file_data": "data:text/plain,Hello"}}
    wanted = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}
    tool = {"type": "function", "function": {"name": "look"}}
    body = sent(
        messages=[{"role": "user", "content": [file, {"type": "text", "text": "Go."}]}],
        response_format=wanted,
        tools=[tool],
    )
    assert body["documents"] == [{"data": {"text": "Hello"}}]
    assert "response_format" not in body


def test_request_more_stop_sequences_than_five_are_refused_with_the_bound() -> None:
    assert sent(stop=["A", "B", "C", "D", "E"])["stop_sequences"] == ["A", "B", "C", "D", "E"]
    error = refused(stop=["A", "B", "C", "D", "E", "F"])
    assert (error.kind, error.param) == (ErrorKind.UNSUPPORTED_PARAMETER, "stop")
    assert "at most 5" in error.message


@pytest.mark.parametrize(
    "part",
    [
        {"type": "input_audio", "input_audio": {"data": "eA==", "format": "wav"}},
        {"type": "video_url", "video_url": {"url": "https://v.example/v.mp4"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,eA=="}},
        {"type": "file", "file": {"file_data": "data:text/plain;base64,###"}},
        {"type": "file", "file": {"file_id": "f"}},
    ],
)
def test_messages_media_that_cohere_cannot_read_is_refused_with_its_path(part: dict) -> None:
    error = refused(messages=[{"role": "user", "content": [part]}])
    assert error.kind == ErrorKind.UNSUPPORTED_PARAMETER
    assert str(error.param).startswith("messages[0].content[0]")


def test_messages_tool_round_keeps_ids_arguments_and_results() -> None:
    result = {"role": "tool", "tool_call_id": "c1", "content": '{"sky":"blue"}'}
    assert sent(messages=history(result, content="Let me see."))["messages"][1:] == [
        {"role": "assistant", "content": [{"type": "text", "text": "Let me see."}], "tool_calls": [CALLED]},
        {"role": "tool", "tool_call_id": "c1", "content": '{"sky":"blue"}'},
    ]


def test_messages_tool_result_with_error_image_and_file_says_all_three() -> None:
    content = [
        {"type": "text", "text": "no"},
        {"type": "image_url", "image_url": {"url": PNG}},
        {"type": "file", "file": {"file_data": "data:text/csv,a%2Cb"}},
    ]
    result = {"role": "tool", "tool_call_id": "c1", "content": content, "is_error": True}
    tool, user = sent(messages=history(result))["messages"][2:]
    assert tool["content"] == [
        {"type": "text", "text": '{"error":"no"}'},
        {"type": "document", "document": {"data": {"text": "a,b"}}},
    ]
    assert user == {"role": "user", "content": [{"type": "image_url", "image_url": {"url": PNG}}]}


@pytest.mark.parametrize(("model", "thinks"), [("command-a-03-2025", False), ("command-a-plus-05-2026", True)])
def test_messages_reasoning_of_a_tool_round_goes_back_as_plan_or_thinking(model: str, thinks: bool) -> None:
    result = {"role": "tool", "tool_call_id": "c1", "content": "x"}
    message = sent(model, messages=history(result, reasoning_content="Hm."))["messages"][1]
    expected = {"content": [{"type": "thinking", "thinking": "Hm."}]} if thinks else {"tool_plan": "Hm."}
    assert message == {"role": "assistant", "tool_calls": [CALLED], **expected}


def test_messages_reasoning_of_plain_turns_and_of_other_providers_stays_here() -> None:
    plain = [*ASKED, {"role": "assistant", "content": "Sunny.", "reasoning": "Hm."}, *ASKED]
    assert "Hm." not in json.dumps(sent(messages=plain))
    details = [{"type": "reasoning.text", "text": "Hm.", "format": "anthropic-claude-v1", "signature": "s"}]
    result = {"role": "tool", "tool_call_id": "c1", "content": "x"}
    foreign = history(result, reasoning_content="Hm.", reasoning_details=details)
    assert "Hm." not in json.dumps(sent(messages=foreign))


def test_messages_unusable_call_ids_are_replaced_in_call_and_result_alike() -> None:
    calls = [{**CALLED, "id": call_id} for call_id in ("a b", "c1", "c1")]
    results = [{"role": "tool", "tool_call_id": call["id"], "content": str(n)} for n, call in enumerate(calls)]
    messages = sent(messages=[*ASKED, {"role": "assistant", "tool_calls": calls}, *results])["messages"]
    ids = [call["id"] for call in messages[1]["tool_calls"]]
    assert ids[1] == "c1"
    assert len(set(ids)) == 3
    assert [(message["tool_call_id"], message["content"]) for message in messages[2:]] == list(
        zip(ids, "012", strict=True)
    )


@pytest.mark.parametrize(
    "messages",
    [
        [*ASKED, {"role": "tool", "tool_call_id": "c1", "content": "x"}],
        history(*ASKED),
        history(),
    ],
)
def test_messages_orphan_calls_and_results_are_an_invalid_history(messages: list[dict]) -> None:
    assert refused(messages=messages).kind == ErrorKind.INVALID_TOOL_HISTORY


def test_messages_broken_arguments_are_refused_and_empty_ones_become_an_object() -> None:
    result = {"role": "tool", "tool_call_id": "c1", "content": "x"}
    for arguments in ("{", "[]", '"x"'):
        call = {**CALLED, "function": {"name": "f", "arguments": arguments}}
        error = refused(messages=history(result, tool_calls=[call]))
        assert (error.kind, error.param) == (
            ErrorKind.INVALID_REQUEST, "messages[1].tool_calls[0].function.arguments",
        )  # fmt: skip
    call = {**CALLED, "function": {"name": "f", "arguments": " "}}
    messages = sent(messages=history(result, tool_calls=[call]))["messages"]
    assert messages[1]["tool_calls"][0]["function"]["arguments"] == "{}"


# --- tools


@pytest.mark.parametrize(
    ("choice", "names", "native", "dropped"),
    [
        ("auto", ["get_weather", "get_time"], None, ()),
        ("none", ["get_weather", "get_time"], "NONE", ()),
        ("required", ["get_weather", "get_time"], "REQUIRED", ()),
        ({"type": "function", "function": {"name": "get_time"}}, ["get_time"], "REQUIRED", ("tool_choice",)),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function":
                {"name": "get_weather"}}]}},
            ["get_weather"], None, ("tool_choice",),
        ),
    ],
)  # fmt: skip
def test_tools_every_choice_becomes_cohere_s(choice, names: list[str], native: str | None, dropped: tuple) -> None:
    body, lost = sent_and_dropped(tools=[WEATHER, CLOCK], tool_choice=choice)
    assert [tool["function"]["name"] for tool in body["tools"]] == names
    assert body.get("tool_choice") == native
    assert lost == dropped


def test_tools_named_choice_of_the_only_tool_loses_nothing() -> None:
    choice = {"type": "function", "function": {"name": "get_weather"}}
    body, dropped = sent_and_dropped(tools=[WEATHER], tool_choice=choice)
    assert (body["tools"], body["tool_choice"], dropped) == ([WEATHER], "REQUIRED", ())


def test_tools_forced_call_without_the_tool_is_refused() -> None:
    choice = {"type": "function", "function": {"name": "other"}}
    for fields in ({"tool_choice": "required"}, {"tools": [WEATHER], "tool_choice": choice}):
        error = refused(**fields)
        assert (error.kind, error.param) == (ErrorKind.INVALID_REQUEST, "tool_choice")
    assert "tool_choice" not in sent(tool_choice="none")


def test_tools_are_strict_only_together_and_with_required_parameters() -> None:
    strict = {**WEATHER, "function": {**WEATHER["function"], "strict": True}}
    shell = {"type": "custom", "custom": {"name": "shell"}}
    strict_clock = {"type": "function", "function": {**CLOCK["function"], "strict": True}}
    assert sent_and_dropped(tools=[strict, shell])[0]["strict_tools"] is True
    for other in (CLOCK, strict_clock):
        body, dropped = sent_and_dropped(tools=[strict, other])
        assert "strict_tools" not in body
        assert "tools[].function.strict" in dropped


def test_tools_names_schemas_and_free_text_are_made_legal() -> None:
    tools = [
        {"type": "function", "function": {"name": "foo/bar-baz"}},
        {"type": "custom", "custom": {"name": "shell", "format": {"type": "text"}}},
    ]
    body, dropped = sent_and_dropped(tools=tools, parallel_tool_calls=False)
    names = [tool["function"]["name"] for tool in body["tools"]]
    assert names[0].startswith("foo_bar_baz_")
    assert body["tools"][0]["function"]["parameters"] == {"type": "object", "properties": {}}
    assert body["tools"][1]["function"]["parameters"]["required"] == ["input"]
    assert dropped == ("parallel_tool_calls",)


def test_tools_schema_that_is_no_object_is_refused() -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": [1]}}
    assert refused(tools=[tool]).param == "tools[0].function.parameters"


# --- thinking


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, None),
        ({"reasoning_effort": "none"}, {"type": "disabled"}),
        ({"reasoning_effort": "high"}, {"type": "enabled", "token_budget": 4096}),
        ({"reasoning": {"enabled": True}, "reasoning_effort": "low"}, {"type": "enabled"}),
        ({"reasoning": {"max_tokens": 77}}, {"type": "enabled", "token_budget": 77}),
        ({"thinking": {"type": "disabled"}}, {"type": "disabled"}),
        ({"thinking": {"type": "enabled", "budget_tokens": 9}}, {"type": "enabled", "token_budget": 9}),
        ({"thinking": {"type": "enabled", "budget_tokens": 0}}, {"type": "disabled"}),
    ],
)
def test_thinking_every_wish_reaches_a_model_that_thinks(fields: dict, expected: dict | None) -> None:
    body, dropped = sent_and_dropped("command-a-reasoning-08-2025", **fields)
    assert (body.get("thinking"), dropped) == (expected, ())


def test_thinking_of_a_model_that_does_not_is_named_and_off_is_no_loss() -> None:
    assert sent_and_dropped(reasoning_effort="low")[1] == ("reasoning_effort",)
    assert sent_and_dropped(reasoning_effort="none")[1] == ()
    assert "thinking" in sent(options={"thinking": "true"}, reasoning_effort="low")
    with pytest.raises(ProviderError) as raised:
        sent(options={"thinking": "maybe"})
    assert raised.value.kind == ErrorKind.MODEL_NOT_FOUND
    assert refused(reasoning={"max_tokens": -1}).param == "reasoning.max_tokens"
