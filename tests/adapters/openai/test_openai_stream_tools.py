"""Tool calls in streams of OpenAI-format servers: dense indexes, legal ids, one head, whatever the server does."""

import msgspec
import pytest

from tests.adapters.openai.stream_items import ROLE, call, deltas, piece, run


def opened(index: int, call_id: str, name: str) -> object:
    function = {"name": name, "arguments": ""}
    return {"tool_calls": [{"index": index, "id": call_id, "type": "function", "function": function}]}


def argument(index: int, text: str) -> object:
    return {"tool_calls": [{"index": index, "function": {"arguments": text}}]}


def tools(*calls: object, finish: str | None = None) -> bytes:
    return piece({"tool_calls": list(calls)}, finish)


EXPECTED_CALL = [ROLE, opened(0, "call_a", "f"), argument(0, '{"x":'), argument(0, "1}"), ({}, "tool_calls")]


@pytest.mark.parametrize(
    "items",
    [
        pytest.param([tools(call("", index=0, id="call_a", name="f")), tools(call('{"x":', index=0))], id="as openai"),
        pytest.param([tools(call('{"x":', index=0, id="call_a", name="f"))], id="arguments in the first piece"),
        pytest.param([tools(call('{"x":', index=2, id="call_a", name="f")), tools(call("", index=2))], id="from 2"),
        pytest.param([tools(call('{"x":', id="call_a", name="f"))], id="no index"),
        pytest.param([tools({"index": 0, "id": "call_a"}), tools(call('{"x":', index=0, name="f"))], id="name late"),
    ],
)
def test_stream_tool_call_has_a_dense_index_and_one_head(items: list[bytes]) -> None:
    index = 2 if b'"index":2' in items[0] else 0
    chunks = run(*items, tools(call("1}", index=index)), piece({}, "tool_calls"))
    assert deltas(chunks) == EXPECTED_CALL


def test_stream_tool_call_without_any_index_continues_the_last_one() -> None:
    chunks = run(tools(call('{"x":', id="call_a", name="f")), tools(call("1}")), piece({}, "tool_calls"))
    assert deltas(chunks) == EXPECTED_CALL


def test_stream_tool_call_repeating_id_and_name_opens_once() -> None:
    repeated = {"id": "call_a", "index": 0, "name": "f"}
    chunks = run(tools(call('{"x":', **repeated)), tools(call("1}", **repeated)), piece({}, "tool_calls"))
    assert deltas(chunks) == EXPECTED_CALL


def test_stream_whole_calls_under_one_index_stay_apart() -> None:
    """Trap 21: an upstream's index is not a client's."""
    chunks = run(
        tools(call("{}", index=0, id="call_a", name="f")),
        tools(call("{}", index=0, id="call_b", name="f")),
        piece({}, "stop"),
    )
    assert deltas(chunks)[1:] == [
        opened(0, "call_a", "f"),
        argument(0, "{}"),
        opened(1, "call_b", "f"),
        argument(1, "{}"),
        ({}, "tool_calls"),
    ]


def test_stream_tool_ids_illegal_empty_or_repeated_are_minted_alike_every_time() -> None:
    calls = [call("{}", index=i, id=call_id, name="f") for i, call_id in enumerate(["", "functions.f:0", "a", "a"])]

    def ids() -> list[str]:
        chunks = run(tools(calls[0], calls[1], calls[2]), tools(calls[3]), piece({}, "tool_calls"))
        found = [c.delta.tool_calls[0].id for chunk in chunks for c in chunk.choices if c.delta.tool_calls]
        return [str(one) for one in found if one]

    assert ids() == ids()
    assert len(set(ids())) == 4
    assert ids()[2] == "a"
    assert all(one == "a" or (one.startswith("call_") and one[5:].isalnum() and len(one) == 29) for one in ids())


def test_stream_arguments_as_an_object_become_json_text() -> None:
    whole = {"index": 0, "id": "call_a", "function": {"name": "f", "arguments": {"x": 1}}}
    assert deltas(run(tools(whole, finish="stop")))[2] == argument(0, '{"x":1}')


def test_stream_call_that_never_gets_a_name_is_not_lost() -> None:
    chunks = run(tools({"index": 0, "id": "call_a", "function": {"arguments": "{}"}}), piece({}, "stop"))
    assert deltas(chunks)[1:] == [opened(0, "call_a", ""), argument(0, "{}"), ({}, "tool_calls")]


def test_stream_custom_tool_call_streams_its_input() -> None:
    first = {"index": 0, "id": "call_a", "type": "custom", "custom": {"name": "f", "input": ""}}
    chunks = run(tools(first), tools({"index": 0, "custom": {"input": "a b"}}), piece({}, "tool_calls"))
    assert deltas(chunks)[1:3] == [
        {"tool_calls": [{"index": 0, "id": "call_a", "type": "custom", "custom": {"name": "f", "input": ""}}]},
        {"tool_calls": [{"index": 0, "custom": {"input": "a b"}}]},
    ]


def test_stream_thought_signature_of_a_call_is_kept() -> None:
    extra = {"google": {"thought_signature": "s"}}
    chunks = run(tools({**call("{}", index=0, id="call_a", name="f"), "extra_content": extra}), piece({}, "stop"))
    assert msgspec.to_builtins(chunks[1].choices[0].delta)["tool_calls"][0]["extra_content"] == extra


def test_stream_legacy_function_call_is_kept() -> None:
    chunks = run(piece({"function_call": {"name": "f", "arguments": "{}"}}), piece({}, "function_call"))
    assert deltas(chunks)[1:] == [{"function_call": {"name": "f", "arguments": "{}"}}, ({}, "function_call")]
