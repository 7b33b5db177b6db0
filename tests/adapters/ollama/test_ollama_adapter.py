"""Ollama's own API: the body of a request, lines split anywhere, errors, embeddings, the model list."""

import base64
import json
import struct

import msgspec
import pytest

from adapters import registry
from adapters.base import Secret
from adapters.conformance.case import Played, PlayedTransport
from adapters.errors import ErrorKind, ProviderError
from adapters.ollama import OllamaAdapter
from adapters.ollama.ndjson import MAX_LINE_BYTES, LineParser
from schemas.embeddings import EmbeddingRequest
from tests.adapters.ollama import exchanges
from tests.adapters.ollama.translate import ASKED, call_of, request, sent, sent_and_dropped

PNG = "data:image/png;base64,iVBORw=="
CALLED = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
TOOL = {"type": "function", "function": {"name": "f", "description": "d", "strict": True}}
OTHER = {"type": "function", "function": {"name": "g", "parameters": {"type": "object", "$defs": {"x": {}}}}}


def image(url: str = PNG, **fields) -> dict:
    return {"type": "image_url", "image_url": {"url": url, **fields}}


def text(value: str) -> dict:
    return {"type": "text", "text": value}


# --- requests


def test_parameters_become_options() -> None:
    body, dropped = sent_and_dropped(
        call_of(options={"num_ctx": "8192", "keep_alive": "10m"}),
        max_completion_tokens=9,
        temperature=0.5,
        top_p=0.9,
        top_k=4,
        seed=1,
        stop="END",
        frequency_penalty=0.1,
        presence_penalty=0.2,
        logprobs=True,
        top_logprobs=2,
        user="u",
        store=True,
        logit_bias={"1": 2},
    )
    assert body["options"] == {
        "num_ctx": 8192, "num_predict": 9, "temperature": 0.5, "top_k": 4, "top_p": 0.9, "seed": 1, "stop": ["END"],
        "frequency_penalty": 0.1, "presence_penalty": 0.2,
    }  # fmt: skip
    assert (body["keep_alive"], body["logprobs"], body["top_logprobs"]) == ("10m", True, 2)
    assert (body["stream"], body["model"]) == (False, "qwen3:4b")
    assert set(dropped) == {"user", "store", "logit_bias"}


def test_unknown_fields_reach_the_server_only_as_options_and_only_where_they_are_forwarded() -> None:
    extra = {"options": {"num_ctx": 9, "min_p": 0.1, "seed": 5}, "keep_alive": "1h"}
    body, dropped = sent_and_dropped(call_of(extra, extra_params="forward"), seed=1)
    assert body["options"] == {"num_ctx": 9, "min_p": 0.1, "seed": 1}
    assert dropped == ("keep_alive",)
    body, dropped = sent_and_dropped(call_of(extra))
    assert "options" not in body
    assert set(dropped) == {"options", "keep_alive"}
    with pytest.raises(ProviderError) as raised:
        sent(call_of({"options": [1]}, extra_params="forward"))
    assert raised.value.param == "options"


@pytest.mark.parametrize(
    ("fields", "think", "dropped"),
    [
        ({}, None, ()),
        ({"reasoning_effort": "none"}, False, ()),
        ({"reasoning_effort": "medium"}, "medium", ()),
        ({"reasoning_effort": "max"}, "high", ("reasoning_effort",)),
        ({"reasoning": {"enabled": True}}, True, ()),
        ({"reasoning": {"max_tokens": 5}}, True, ("reasoning.max_tokens",)),
        ({"thinking": {"type": "disabled"}, "reasoning_effort": "high"}, False, ()),
        ({"thinking": {"type": "enabled", "budget_tokens": 9}}, True, ("thinking.budget_tokens",)),
    ],
)
def test_reasoning_becomes_the_switch(fields: dict, think: object, dropped: tuple[str, ...]) -> None:
    body, lost = sent_and_dropped(**fields)
    assert (body.get("think"), lost) == (think, dropped)


def test_reasoning_is_not_asked_of_a_model_that_cannot_think() -> None:
    call = call_of(options={"thinking": "false"})
    assert sent_and_dropped(call, reasoning_effort="high")[1] == ("reasoning_effort",)
    assert "think" not in sent(call, reasoning_effort="none")


def test_structured_output_is_the_format() -> None:
    schema = {"type": "object", "$defs": {"x": {"type": "string"}}, "additionalProperties": False}
    assert sent(response_format={"type": "json_object"})["format"] == "json"
    wanted = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    assert sent(response_format=wanted)["format"] == schema


def test_history_has_objects_names_and_reasoning() -> None:
    messages = [
        {"role": "developer", "content": "Be brief."},
        *ASKED,
        {"role": "assistant", "tool_calls": [CALLED, {**CALLED, "id": "call 2"}], "reasoning": "Hm."},
        {"role": "tool", "tool_call_id": "call 2", "content": [text("see"), image()]},
        {"role": "tool", "tool_call_id": "call_1", "content": "r"},
        {"role": "assistant", "content": [text("a"), {"type": "refusal", "refusal": "b"}]},
    ]
    body = sent(messages=messages)["messages"]
    second = body[2]["tool_calls"][1]["id"]
    function = {"name": "f", "arguments": {"a": 1}}
    assert body == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What is the weather in Ulm?"},
        {
            "role": "assistant",
            "content": "",
            "thinking": "Hm.",
            "tool_calls": [{"id": "call_1", "function": function}, {"id": second, "function": function}],
        },
        {"role": "tool", "content": "see", "images": ["iVBORw=="], "tool_name": "f", "tool_call_id": second},
        {"role": "tool", "content": "r", "tool_name": "f", "tool_call_id": "call_1"},
        {"role": "assistant", "content": "ab"},
    ]
    assert second.startswith("call_")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ([text("a"), image()], [("a", 1)]),
        ([image(), image(), text("a"), text("b")], [("ab", 2)]),
        ([text("a"), image(), text("b"), image()], [("a", 0), ("b", 1), ("", 1)]),
    ],
)
def test_images_stand_before_the_text_of_their_message(content: list[dict], expected: list[tuple[str, int]]) -> None:
    body = sent(messages=[{"role": "user", "content": content}])["messages"]
    assert [(one["content"], len(one.get("images", []))) for one in body] == expected


@pytest.mark.parametrize(
    ("choice", "names", "dropped"),
    [
        (None, ["f", "g"], ()),
        ("auto", ["f", "g"], ()),
        ("none", None, ()),
        ("required", ["f", "g"], ("tool_choice",)),
        ({"type": "function", "function": {"name": "g"}}, ["g"], ("tool_choice",)),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]},
            },
            ["f"],
            ("tool_choice",),
        ),
    ],
)
def test_tool_choice_leaves_tools_out(choice: object, names: list[str] | None, dropped: tuple[str, ...]) -> None:
    body, lost = sent_and_dropped(tools=[TOOL, OTHER], tool_choice=choice)
    found = body.get("tools")
    assert (None if found is None else [tool["function"]["name"] for tool in found]) == names
    assert lost == ("tools[].function.strict", *dropped)
    if names == ["f", "g"]:
        assert found[0]["function"]["parameters"] == {"type": "object", "properties": {}}
        assert found[1]["function"]["parameters"] == OTHER["function"]["parameters"]


async def test_free_text_tool_becomes_a_function_with_one_text_and_its_call_comes_back() -> None:
    grammar = {"type": "grammar", "grammar": {"syntax": "regex", "definition": "a+"}}
    shell = {"type": "custom", "custom": {"name": "run.shell", "description": "Runs.", "format": grammar}}
    called = {"id": "c", "type": "custom", "custom": {"name": "run.shell", "input": 'l"'}}
    messages = [
        *ASKED,
        {"role": "assistant", "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "c", "content": "r"},
    ]
    choice = {"type": "custom", "custom": {"name": "run.shell"}}
    body, dropped = sent_and_dropped(tools=[shell, TOOL], tool_choice=choice, messages=messages)
    (function,) = [tool["function"] for tool in body["tools"]]
    assert function["name"] == "run.shell"
    assert function["description"].startswith("Runs.\n\nThe input must follow this format: {")
    assert function["parameters"]["required"] == ["input"]
    assert body["messages"][1]["tool_calls"][0]["function"] == {"name": "run.shell", "arguments": {"input": 'l"'}}
    assert dropped == ("tools[].custom.format", "tools[].function.strict", "tool_choice")
    made = exchanges.whole(text="", calls=[exchanges.call("a", "run.shell", {"input": "ls"})])
    result = await OllamaAdapter(PlayedTransport(Played([made]))).chat(request(tools=[shell]), call_of())
    (heard,) = json.loads(msgspec.json.encode(result.body))["choices"][0]["message"]["tool_calls"]
    assert heard == {"id": "a", "type": "custom", "custom": {"name": "run.shell", "input": "ls"}}


@pytest.mark.parametrize(
    ("fields", "kind", "param"),
    [
        ({"n": 2}, ErrorKind.UNSUPPORTED_PARAMETER, "n"),
        ({"modalities": ["audio"]}, ErrorKind.UNSUPPORTED_PARAMETER, "modalities"),
        (
            {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "x"}}},
            ErrorKind.INVALID_REQUEST,
            "tool_choice",
        ),
        (
            {"messages": [{"role": "user", "content": [image("https://i.example/i.png")]}]},
            ErrorKind.UNSUPPORTED_PARAMETER,
            "messages[0].content[0].image_url.url",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]},
            ErrorKind.UNSUPPORTED_PARAMETER,
            "messages[0].content[0]",
        ),
        (
            {"messages": [*ASKED, {"role": "tool", "tool_call_id": "x", "content": "r"}]},
            ErrorKind.INVALID_TOOL_HISTORY,
            "messages[1].tool_call_id",
        ),
        (
            {"messages": [*ASKED, {"role": "assistant", "tool_calls": [CALLED]}, *ASKED]},
            ErrorKind.INVALID_TOOL_HISTORY,
            "messages[1].tool_calls[0]",
        ),
        (
            {
                "messages": [
                    {
                        "role": "assistant",
                        "tool_calls": [{**CALLED, "function": {"name": "f", "arguments": "{'a'"}}],
                    }
                ]
            },
            ErrorKind.INVALID_REQUEST,
            "messages[0].tool_calls[0].function.arguments",
        ),
    ],
)
def test_what_cannot_be_sent_is_refused_with_its_path(fields: dict, kind: ErrorKind, param: str) -> None:
    with pytest.raises(ProviderError) as raised:
        sent(**fields)
    assert (raised.value.kind, raised.value.param) == (kind, param)


# --- lines


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_lines_cut_anywhere_are_the_same_lines(end: bytes) -> None:
    data = b'{"a":1}' + end + b'{"b":"\xc3\xbc"}' + end + end + b'{"c":3}'
    for step in range(1, len(data) + 1):
        parser = LineParser()
        found = []
        for start in range(0, len(data), step):
            found += parser.feed(data[start : start + step])
        found += parser.flush()
        assert [event.data for event in found] == [b'{"a":1}', b'{"b":"\xc3\xbc"}', b'{"c":3}']


def test_line_without_end_is_bounded() -> None:
    parser = LineParser()
    piece = b"x" * (MAX_LINE_BYTES // 4)
    for _ in range(4):
        assert parser.feed(piece) == []
    with pytest.raises(ProviderError) as raised:
        parser.feed(piece)
    assert raised.value.kind is ErrorKind.BAD_RESPONSE


# --- over HTTP


async def test_chat_goes_to_the_servers_own_api_with_the_key_where_there_is_one() -> None:
    for base_url in ("", "http://127.0.0.1:11434/v1", "http://127.0.0.1:11434/api", "http://127.0.0.1:11434"):
        transport = PlayedTransport(Played([exchanges.whole("Hi")]))
        await OllamaAdapter(transport).chat(request(), call_of(base_url=base_url))
        assert transport.requests[0].url == "http://127.0.0.1:11434/api/chat"
        assert b"authorization" not in dict(transport.requests[0].headers)
    transport = PlayedTransport(Played([exchanges.whole("Hi")]))
    await OllamaAdapter(transport).chat(request(), call_of(base_url="https://ollama.com", credential=Secret("k")))
    assert dict(transport.requests[0].headers)[b"authorization"] == b"Bearer k"


async def test_usage_keeps_the_durations() -> None:
    result = await OllamaAdapter(PlayedTransport(Played([exchanges.whole("Hi")]))).chat(request(), call_of())
    assert (result.usage.prompt_tokens, result.usage.completion_tokens) == (20, 9)
    assert json.loads(bytes(result.usage.raw)) == exchanges.COUNTERS
    assert (result.upstream_model, result.native_finish_reason) == ("qwen3:4b", "stop")


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (404, {"error": "model 'x' not found"}, ErrorKind.MODEL_NOT_FOUND),
        (400, {"error": '"gemma" does not support tools'}, ErrorKind.UNSUPPORTED_PARAMETER),
        (
            400,
            {"error": {"message": "prompt too long; exceeded max context length by 4 tokens"}},
            ErrorKind.CONTEXT_LENGTH,
        ),
        (503, {"error": "server busy, please try again."}, ErrorKind.OVERLOADED),
        (401, {"error": "unauthorized"}, ErrorKind.CREDENTIALS),
        (500, {"error": "the input length exceeds the context length"}, ErrorKind.CONTEXT_LENGTH),
        (502, "<html>", ErrorKind.SERVER_ERROR),
    ],
)
async def test_error_has_its_kind(status: int, body: object, kind: ErrorKind) -> None:
    played = Played([json.dumps(body).encode()], status=status)
    with pytest.raises(ProviderError) as raised:
        await OllamaAdapter(PlayedTransport(played)).chat(request(), call_of())
    assert (raised.value.kind, raised.value.status) == (kind, status)


async def test_answer_that_only_loads_the_model_is_empty() -> None:
    body = exchanges.encode({**exchanges.HEAD, "message": {"role": "assistant"}, "done_reason": "load", "done": True})
    result = await OllamaAdapter(PlayedTransport(Played([body]))).chat(request(), call_of())
    assert (result.body.choices[0].message.content, result.body.choices[0].finish_reason) == ("", "stop")


@pytest.mark.parametrize("encoding", [None, "base64"])
async def test_embeddings_come_in_the_encoding_that_was_asked_for(encoding: str | None) -> None:
    answer = {"model": "all-minilm", "embeddings": [[0.5, -1.0], [0.25, 2.0]], "prompt_eval_count": 8}
    transport = PlayedTransport(Played([exchanges.encode(answer)]))
    wanted = msgspec.convert(
        {"model": "m", "input": ["a", "b"], "dimensions": 2, "encoding_format": encoding, "user": "u"},
        EmbeddingRequest,
    )
    result = await OllamaAdapter(transport).embeddings(wanted, call_of(options={"truncate": "false"}))
    assert json.loads(transport.requests[0].body) == {
        "model": "qwen3:4b", "input": ["a", "b"], "dimensions": 2, "truncate": False,
    }  # fmt: skip
    assert transport.requests[0].url.endswith("/api/embed")
    vectors = [item.embedding for item in result.body.data]
    if encoding == "base64":
        vectors = [list(struct.unpack("<2f", base64.b64decode(vector))) for vector in vectors]
    assert vectors == [[0.5, -1.0], [0.25, 2.0]]
    assert (result.usage.prompt_tokens, result.dropped_params) == (8, ("user",))


@pytest.mark.parametrize("answer", [{"embeddings": [[1.0]]}, {"embeddings": None}, {"error": "no"}, []])
async def test_embeddings_that_are_not_what_was_asked_for_fail(answer: object) -> None:
    wanted = EmbeddingRequest(model="m", input=["a", "b"])
    with pytest.raises(ProviderError):
        await OllamaAdapter(PlayedTransport(Played([exchanges.encode(answer)]))).embeddings(wanted, call_of())


async def test_embeddings_of_tokens_are_refused() -> None:
    with pytest.raises(ProviderError) as raised:
        await OllamaAdapter(PlayedTransport(None)).embeddings(EmbeddingRequest(model="m", input=[1, 2]), call_of())
    assert raised.value.param == "input"


async def test_model_list_is_what_the_server_has() -> None:
    answer = {"models": [{"name": "b:latest", "model": "b:latest"}, {"name": "a:4b"}]}
    transport = PlayedTransport(Played([exchanges.encode(answer)]))
    assert await OllamaAdapter(transport).list_models(call_of()) == ("a:4b", "b:latest")
    assert transport.requests[0].url.endswith("/api/tags")


def test_operations_are_those_that_are_translated() -> None:
    assert registry.operations(OllamaAdapter) == {"chat", "embeddings", "model_discovery"}


@pytest.mark.parametrize(
    ("wanted", "words", "named"),
    [
        ({"type": "json_object"}, "JSON object", set()),
        (
            {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object", "title": "Sky"}}},
            "Sky",
            {"response_format"},
        ),
    ],
)
def test_form_beside_tools_is_told_in_words(wanted: dict, words: str, named: set[str]) -> None:
    """A `format` binds every token, so that no tool would ever be called."""
    body, lost = sent_and_dropped(tools=[OTHER], response_format=wanted)
    assert "format" not in body
    assert words in body["messages"][0]["content"]
    assert (body["messages"][0]["role"], set(lost)) == ("system", named)
    without, lost = sent_and_dropped(tools=[OTHER], tool_choice="none", response_format=wanted)
    assert "format" in without
    assert "response_format" not in lost
