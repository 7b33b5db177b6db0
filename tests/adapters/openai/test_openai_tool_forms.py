"""Tool names and forms that a server refuses are replaced on the way there, and put back on the way to the client."""

import json

import msgspec
import pytest

from adapters.base import Call, Deployment, Losses, Secret
from adapters.conformance.case import Played, PlayedTransport
from adapters.errors import ProviderError
from adapters.openai import OpenAIAdapter
from adapters.openai.adapter import OpenAIFormatAdapter
from adapters.openai.quirks import OPENAI, Quirks
from adapters.openai.tool_forms import NAMES, fit_tools
from schemas.chat_request import ChatRequest

ODD, LONG = "files/read", "x" * 65
ASKED = {"role": "user", "content": "Read."}
GRAMMAR = {"type": "grammar", "grammar": {"syntax": "regex", "definition": "a+"}}
SHELL = {"type": "custom", "custom": {"name": "run.shell", "description": "Runs.", "format": GRAMMAR}}
READ = {"type": "function", "function": {"name": ODD, "parameters": {"type": "object"}}}
TIME = {"type": "function", "function": {"name": "get_time"}}


class FunctionsOnly(OpenAIFormatAdapter):
    """A server that has function tools alone."""

    def quirks(self, call: Call) -> Quirks:  # noqa: ARG002 - the same for all
        return Quirks(base_url="https://a.example/v1")


def call_of(policy: str = "drop") -> Call:
    deployment = Deployment(
        id="d", model="m", provider="p", adapter="a", upstream_model="up", credential=Secret("k"), extra_params=policy
    )
    return Call(deployment=deployment, request_id="r", deadline=1e12)


def request_of(**fields: object) -> ChatRequest:
    return msgspec.json.decode(json.dumps({"model": "m", "messages": [ASKED], **fields}), type=ChatRequest)


def answer(message: dict) -> bytes:
    return json.dumps({"id": "x", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}).encode()


def streamed(*deltas: dict) -> bytes:
    items = [{"id": "x", "choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    items.append({"id": "x", "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})
    return b"".join(b"data: " + json.dumps(item).encode() + b"\n\n" for item in items) + b"data: [DONE]\n\n"


def calls(*pieces: dict) -> dict:
    return {"tool_calls": list(pieces)}


async def exchanged(
    body: bytes, adapter: type[OpenAIFormatAdapter] = OpenAIAdapter, **fields: object
) -> tuple[dict, dict, tuple[str, ...]]:
    """The body that is sent, the message that comes back, and what is named as dropped."""
    transport = PlayedTransport(Played([body]))
    result = await adapter(transport).chat(request_of(**fields), call_of())
    message = json.loads(msgspec.json.encode(result.body))["choices"][0]["message"]
    return json.loads(transport.requests[0].body), message, result.dropped_params


async def stream_of(
    body: bytes, adapter: type[OpenAIFormatAdapter] = OpenAIAdapter, **fields: object
) -> tuple[list[dict], tuple[str, ...]]:
    transport = PlayedTransport(Played([body], headers={"content-type": "text/event-stream"}))
    stream = await adapter(transport).chat_stream(request_of(**fields), call_of())
    chunks = [json.loads(msgspec.json.encode(chunk)) async for burst in stream for chunk in burst]
    assert stream.finished
    assert (stream.upstream_id, stream.native_finish_reason) == ("x", "tool_calls")
    return [chunk["choices"][0] for chunk in chunks], stream.dropped_params


def deltas_of(choices: list[dict]) -> list[dict]:
    return [call for choice in choices for call in choice["delta"].get("tool_calls", [])]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"tools": [TIME, {"type": "custom", "custom": {"name": "a-b"}}], "tool_choice": "required"},
        {"functions": [{"name": "f"}], "function_call": {"name": "f"}},
        {
            "tools": [TIME],
            "messages": [
                ASKED,
                {
                    "role": "assistant",
                    "tool_calls": [{"id": "c", "type": "function", "function": {"name": "g", "arguments": "{}"}}],
                },
                {"role": "tool", "tool_call_id": "c", "content": "r"},
            ],
        },
    ],
)
def test_request_that_the_server_takes_is_left_alone(fields: dict) -> None:
    request = request_of(**fields)
    fitted, names = fit_tools(request, OPENAI, Losses("reject"))
    assert fitted is request
    assert names is None


async def test_names_of_definitions_choice_and_history_are_replaced_alike_and_put_back() -> None:
    called = {"name": ODD, "arguments": '{"path":"/"}'}
    history = [
        ASKED,
        {"role": "assistant", "tool_calls": [{"id": "c1", "type": "function", "function": called}]},
        {"role": "tool", "tool_call_id": "c1", "content": "r"},
        {"role": "assistant", "tool_calls": [{"id": "c2", "type": "custom", "custom": {"name": LONG, "input": "i"}}]},
        {"role": "tool", "tool_call_id": "c2", "content": "r"},
    ]
    native = NAMES.renamed(ODD)
    message = calls(
        {"id": "a", "type": "function", "function": {"name": native, "arguments": "{}"}},
        {"id": "b", "type": "custom", "custom": {"name": NAMES.renamed(LONG), "input": "i"}},
        {"id": "c", "type": "function", "function": {"name": "get_time", "arguments": "{}"}},
        {"id": "d", "type": "function", "function": {"name": "made_up", "arguments": "{}"}},
    )
    body, heard, dropped = await exchanged(
        answer(message),
        tools=[READ, TIME, {"type": "custom", "custom": {"name": LONG}}],
        tool_choice={"type": "function", "function": {"name": ODD}},
        messages=history,
    )
    assert NAMES.is_legal(native)
    assert native.startswith("files_read_")
    assert [tool[tool["type"]]["name"] for tool in body["tools"]] == [native, "get_time", NAMES.renamed(LONG)]
    assert body["tool_choice"]["function"]["name"] == native
    assert body["messages"][1]["tool_calls"][0]["function"] == {"name": native, "arguments": '{"path":"/"}'}
    assert body["messages"][3]["tool_calls"][0]["custom"] == {"name": NAMES.renamed(LONG), "input": "i"}
    assert [call[call["type"]]["name"] for call in heard["tool_calls"]] == [ODD, LONG, "get_time", "made_up"]
    assert dropped == ()


async def test_names_of_allowed_tools_and_of_deprecated_functions_are_replaced_and_put_back() -> None:
    native = NAMES.renamed(ODD)
    allowed = {"mode": "auto", "tools": [{"type": "function", "function": {"name": ODD}}]}
    body, _, _ = await exchanged(
        answer({"content": "x"}), tools=[READ], tool_choice={"type": "allowed_tools", "allowed_tools": allowed}
    )
    assert body["tool_choice"]["allowed_tools"]["tools"] == [{"type": "function", "function": {"name": native}}]
    history = [
        ASKED,
        {"role": "assistant", "content": None, "function_call": {"name": ODD, "arguments": "{}"}},
        {"role": "function", "name": ODD, "content": "r"},
    ]
    fields = {"functions": [{"name": ODD}], "function_call": {"name": ODD}, "messages": history}
    message = {"function_call": {"name": native, "arguments": "{}"}}
    body, heard, _ = await exchanged(answer(message), **fields)
    assert (body["functions"][0]["name"], body["function_call"]["name"]) == (native, native)
    assert (body["messages"][1]["function_call"]["name"], body["messages"][2]["name"]) == (native, native)
    assert heard["function_call"]["name"] == ODD
    choices, _ = await stream_of(streamed(message), **fields)
    assert [one["delta"]["function_call"] for one in choices if "function_call" in one["delta"]] == [
        {"name": ODD, "arguments": "{}"}
    ]
    body, _, _ = await exchanged(answer({"content": "x"}), FunctionsOnly, **fields)
    assert (body["tools"][0]["function"]["name"], body["tool_choice"]["function"]["name"]) == (native, native)


async def test_streamed_names_are_put_back() -> None:
    first = {"index": 0, "id": "a", "type": "function", "function": {"name": NAMES.renamed(ODD), "arguments": '{"p'}}
    second = {"index": 1, "id": "b", "type": "custom", "custom": {"name": NAMES.renamed(LONG), "input": ""}}
    choices, _ = await stream_of(
        streamed(
            {"content": "Hm."},
            calls(first),
            calls({"index": 0, "function": {"arguments": '":1}'}}),
            calls(second),
            calls({"index": 1, "custom": {"input": "ls"}}),
        ),
        tools=[READ, {"type": "custom", "custom": {"name": LONG}}],
    )
    assert [choice["delta"].get("content") for choice in choices[:2]] == ["", "Hm."]
    assert deltas_of(choices) == [
        {"index": 0, "id": "a", "type": "function", "function": {"name": ODD, "arguments": ""}},
        {"index": 0, "function": {"arguments": '{"p'}},
        {"index": 0, "function": {"arguments": '":1}'}},
        {"index": 1, "id": "b", "type": "custom", "custom": {"name": LONG, "input": ""}},
        {"index": 1, "custom": {"input": "ls"}},
    ]
    assert choices[-1]["finish_reason"] == "tool_calls"


# --- free-text tools


async def test_free_text_tool_becomes_a_function_with_one_text_and_its_call_comes_back() -> None:
    called = {"id": "c", "type": "custom", "custom": {"name": "run.shell", "input": 'l"'}}
    history = [ASKED, {"role": "assistant", **calls(called)}, {"role": "tool", "tool_call_id": "c", "content": "r"}]
    native = NAMES.renamed("run.shell")
    made = {"id": "a", "type": "function", "function": {"name": native, "arguments": '{"input":"ls -\\u00fc"}'}}
    broken = {"id": "b", "type": "function", "function": {"name": native, "arguments": "ls"}}
    body, heard, dropped = await exchanged(
        answer(calls(made, broken)),
        FunctionsOnly,
        tools=[SHELL, TIME],
        tool_choice={"type": "custom", "custom": {"name": "run.shell"}},
        messages=history,
    )
    function = body["tools"][0]["function"]
    assert (body["tools"][0]["type"], function["name"]) == ("function", native)
    assert function["description"].startswith("Runs.\n\nThe input must follow this format: {")
    assert function["parameters"]["required"] == ["input"]
    assert body["tool_choice"] == {"type": "function", "function": {"name": native}}
    sent = body["messages"][1]["tool_calls"][0]
    assert (sent["type"], sent["function"]) == ("function", {"name": native, "arguments": '{"input":"l\\""}'})
    assert dropped == ("tools[].custom.format",)
    assert heard["tool_calls"] == [
        {"id": "a", "type": "custom", "custom": {"name": "run.shell", "input": "ls -ü"}},
        {"id": "b", "type": "custom", "custom": {"name": "run.shell", "input": "ls"}},
    ]


async def test_free_text_among_allowed_tools_leaves_the_others_out() -> None:
    allowed = {"mode": "required", "tools": [{"type": "custom", "custom": {"name": "run.shell"}}]}
    choice = {"type": "allowed_tools", "allowed_tools": allowed}
    body, _, _ = await exchanged(answer({"content": "x"}), FunctionsOnly, tools=[SHELL, TIME], tool_choice=choice)
    assert [tool["function"]["name"] for tool in body["tools"]] == [NAMES.renamed("run.shell")]
    assert body["tool_choice"] == "required"


async def test_format_that_asks_for_nothing_is_not_named_and_a_grammar_is_refused_where_losses_are() -> None:
    plain = {"type": "custom", "custom": {"name": "run", "format": {"type": "text"}}}
    _, _, dropped = await exchanged(answer({"content": "x"}), FunctionsOnly, tools=[plain])
    assert dropped == ()
    adapter = FunctionsOnly(PlayedTransport(Played([answer({"content": "x"})])))
    with pytest.raises(ProviderError) as raised:
        await adapter.chat(request_of(tools=[SHELL]), call_of("reject"))
    assert raised.value.param == "tools[0].custom.format"


async def test_streamed_free_text_comes_whole_before_the_next_call_and_the_end() -> None:
    def opened(index: int, name: str) -> dict:
        return calls(
            {"index": index, "id": f"c{index}", "type": "function", "function": {"name": name, "arguments": ""}}
        )

    def piece(index: int, text: str) -> dict:
        return calls({"index": index, "function": {"arguments": text}})

    choices, dropped = await stream_of(
        streamed(
            opened(0, "run"), piece(0, '{"inp'), piece(0, 'ut":"ls"}'),
            opened(1, "get_time"), piece(1, "{}"),
            opened(2, "run"), piece(2, '{"input":'), opened(3, "run"), piece(2, '"a"}'), piece(3, "raw"),
        ),
        FunctionsOnly,
        tools=[{"type": "custom", "custom": {"name": "run", "format": GRAMMAR}}, TIME],
    )  # fmt: skip
    assert deltas_of(choices) == [
        {"index": 0, "id": "c0", "type": "custom", "custom": {"name": "run", "input": ""}},
        {"index": 0, "custom": {"input": "ls"}},
        {"index": 1, "id": "c1", "type": "function", "function": {"name": "get_time", "arguments": ""}},
        {"index": 1, "function": {"arguments": "{}"}},
        {"index": 2, "id": "c2", "type": "custom", "custom": {"name": "run", "input": ""}},
        {"index": 3, "id": "c3", "type": "custom", "custom": {"name": "run", "input": ""}},
        {"index": 2, "custom": {"input": "a"}},
        {"index": 3, "custom": {"input": "raw"}},
    ]
    assert [choice["finish_reason"] for choice in choices][-1] == "tool_calls"
    assert all(choice["finish_reason"] is None for choice in choices[:-1])
    assert dropped == ("tools[].custom.format",)
