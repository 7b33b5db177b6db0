"""A request's parameters and tools in OpenAI's dialect: what travels as it is, what is mapped, what is left out."""

import msgspec
import pytest

from adapters.errors import ErrorKind, ProviderError
from adapters.openai.quirks import OPENAI, Quirks
from adapters.openai.request import to_chat_body
from schemas.chat_request import ChatRequest
from tests.adapters.openai.translate import HELLO, SDK_REQUEST, call_of, translate


def test_request_plain_text_travels_with_the_upstream_model() -> None:
    assert translate({}) == ({"model": "up", "messages": HELLO}, ())


def test_request_stream_always_asks_for_usage() -> None:
    body, dropped = translate({"stream": True, "stream_options": {"include_usage": False}}, stream=True)
    assert body["stream"] is True
    assert body["stream_options"] == {"include_usage": True}
    assert dropped == ()


def test_request_obfuscation_reaches_openai_alone() -> None:
    options = {"stream_options": {"include_obfuscation": False}}
    assert translate(options, stream=True)[0]["stream_options"] == {
        "include_usage": True,
        "include_obfuscation": False,
    }
    body, dropped = translate(options, Quirks(), stream=True)
    assert body["stream_options"] == {"include_usage": True}
    assert dropped == ("stream_options.include_obfuscation",)


def test_request_unstreamed_carries_no_stream_fields() -> None:
    body, _ = translate({"stream": False, "stream_options": {"include_usage": True}})
    assert set(body) == {"model", "messages"}


FULL = {
    "audio": {"format": "mp3", "voice": "alloy"},
    "frequency_penalty": 0.5,
    "logit_bias": {"50256": -100},
    "logprobs": True,
    "max_completion_tokens": 10,
    "metadata": {"a": "b"},
    "modalities": ["text", "audio"],
    "n": 2,
    "parallel_tool_calls": False,
    "prediction": {"type": "content", "content": "x"},
    "presence_penalty": 0.1,
    "prompt_cache_key": "k",
    "reasoning_effort": "low",
    "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}},
    "safety_identifier": "s",
    "seed": 1,
    "service_tier": "flex",
    "stop": ["a"],
    "store": True,
    "temperature": 1.0,
    "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"type": "function"}]}},
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {}, "strict": True}}],
    "top_logprobs": 2,
    "top_p": 0.9,
    "user": "u",
    "verbosity": "low",
    "web_search_options": {"search_context_size": "low"},
}


def test_request_every_field_of_openai_travels_as_it_is() -> None:
    body, dropped = translate(FULL)
    assert body == {"model": "up", "messages": HELLO, **FULL}
    assert dropped == ()
    SDK_REQUEST.validate_python(body)


def test_request_json_schema_passes_byte_for_byte() -> None:
    schema = b'{"type":"object" ,  "properties":{"\\u00e9":{"type":"number","minimum":1e0}}}'
    tools = b'[{"type":"function","function":{"name":"f","parameters":%b}}]' % schema
    request = msgspec.json.decode(
        b'{"model":"m","messages":[{"role":"user","content":"Hi"}],"tools":%b}' % tools, type=ChatRequest
    )
    assert schema in to_chat_body(request, call_of(), OPENAI, stream=False)[0]


def test_request_unknown_fields_are_merged_byte_for_byte() -> None:
    call = call_of(guided_json=b'{"order": ["x"]}', **{'odd "name"': b"1e0"})
    request = ChatRequest(model="m", messages=[])
    body, dropped = to_chat_body(request, call, OPENAI, stream=False)
    assert b'"guided_json":{"order": ["x"]}' in body
    assert msgspec.json.decode(body)['odd "name"'] == 1
    assert dropped == ()


@pytest.mark.parametrize(
    ("field", "expected"), [("max_tokens", "max_tokens"), (None, None), ("max_completion_tokens", None)]
)
@pytest.mark.parametrize("sent", ["max_tokens", "max_completion_tokens"])
def test_request_output_bound_gets_the_servers_name(field: str | None, expected: str | None, sent: str) -> None:
    body, _ = translate({sent: 5}, Quirks(max_tokens_field=field))
    assert {name for name in body if name.startswith("max_")} == {expected or field or sent}


def test_request_unsupported_field_is_dropped_named_or_rejected() -> None:
    assert translate({"top_k": 5, "moderation": {}}) == (
        {"model": "up", "messages": HELLO, "moderation": {}},
        ("top_k",),
    )
    body, dropped = translate({"moderation": {"a": 1}}, Quirks(drops=frozenset({"moderation"})))
    assert ("moderation" in body, dropped) == (False, ("moderation",))
    with pytest.raises(ProviderError) as raised:
        translate({"top_k": 5}, call=call_of("reject"))
    assert (raised.value.kind, raised.value.param) == (ErrorKind.UNSUPPORTED_PARAMETER, "top_k")


def test_request_dropped_fields_are_named_in_one_order_in_every_process() -> None:
    names = ("logit_bias", "moderation", "n", "seed", "top_k", "user")
    sent = {"logit_bias": {"1": 1}, "moderation": {"a": 1}, "n": 1, "seed": 1, "top_k": 1, "user": "u"}
    _, dropped = translate(dict(reversed(sent.items())), Quirks(drops=frozenset(names)))
    assert dropped == names


@pytest.mark.parametrize(
    ("sent", "effort", "dropped"),
    [
        ({"reasoning_effort": "xhigh"}, "xhigh", ()),
        ({"reasoning": {"effort": "high"}, "reasoning_effort": "low"}, "high", ()),
        ({"reasoning": {"max_tokens": 1500}}, "medium", ("reasoning.max_tokens",)),
        ({"reasoning": {"enabled": False}, "reasoning_effort": "low"}, "none", ()),
        ({"reasoning": {"enabled": True}}, "medium", ()),
        ({"reasoning": {"exclude": True, "effort": "low"}}, "low", ("reasoning.exclude",)),
        ({"thinking": {"type": "enabled", "budget_tokens": 9000}}, "high", ("thinking.budget_tokens",)),
        ({"thinking": {"type": "disabled"}, "reasoning_effort": "high"}, "none", ()),
        ({"thinking": {"type": "adaptive"}, "reasoning_effort": "high"}, "high", ()),
    ],
)
def test_request_reasoning_in_every_spelling_becomes_effort(sent: dict, effort: str, dropped: tuple[str, ...]) -> None:
    body, named = translate(sent)
    assert body == {"model": "up", "messages": HELLO, "reasoning_effort": effort}
    assert named == dropped


@pytest.mark.parametrize(
    ("switch", "sent", "expected"),
    [
        ("thinking", {"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}),
        (
            "thinking",
            {"reasoning": {"enabled": True, "effort": "low"}},
            {"thinking": {"type": "enabled"}, "reasoning_effort": "low"},
        ),
        ("reasoning", {"thinking": {"type": "disabled"}}, {"reasoning": {"enabled": False}}),
        (
            "template",
            {"reasoning_effort": "none"},
            {"chat_template_kwargs": {"enable_thinking": False, "thinking": False}},
        ),
        ("template", {"reasoning_effort": "low"}, {"reasoning_effort": "low"}),
        ("effort", {"reasoning_effort": "max"}, {"reasoning_effort": "high"}),
    ],
)
def test_request_reasoning_is_switched_where_the_server_has_its_switch(switch: str, sent: dict, expected: dict) -> None:
    body, _ = translate(sent, Quirks(reasoning_switch=switch, efforts={"max": "high"}))
    assert body == {"model": "up", "messages": HELLO, **expected}


def test_request_template_arguments_of_the_client_win() -> None:
    call = call_of(chat_template_kwargs=b'{"enable_thinking":true}')
    body, _ = translate({"reasoning_effort": "none"}, Quirks(reasoning_switch="template"), call)
    assert body["chat_template_kwargs"] == {"enable_thinking": True}


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"reasoning": {"max_tokens": 2000}}, {"reasoning": {"max_tokens": 2000}}),
        ({"thinking": {"type": "enabled", "budget_tokens": 9}}, {"reasoning": {"max_tokens": 9}}),
        ({"thinking": {"type": "disabled"}, "reasoning_effort": "low"}, {"reasoning": {"enabled": False}}),
        ({"reasoning_effort": "low"}, {"reasoning_effort": "low"}),
    ],
)
def test_request_reasoning_object_goes_where_it_is_understood(sent: dict, expected: dict) -> None:
    assert translate(sent, Quirks(reasoning_object=True))[0] == {"model": "up", "messages": HELLO, **expected}


def test_tools_allowed_subset_is_made_for_servers_that_do_not_know_it() -> None:
    tools = [{"type": "function", "function": {"name": name}} for name in ("f", "g")]
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": []}}
    choice["allowed_tools"]["tools"] = [{"type": "function", "function": {"name": "g"}}]
    body, _ = translate({"tools": tools, "tool_choice": choice}, Quirks())
    assert (body["tools"], body["tool_choice"]) == (tools[1:], "required")
    choice["allowed_tools"]["tools"] = []
    with pytest.raises(ProviderError) as raised:
        translate({"tools": tools, "tool_choice": choice}, Quirks())
    assert raised.value.kind is ErrorKind.INVALID_REQUEST


def test_tools_named_one_is_the_only_and_demanded_for_servers_that_ignore_a_name() -> None:
    tools = [{"type": "function", "function": {"name": name}} for name in ("f", "g")]
    choice = {"type": "function", "function": {"name": "g"}}
    assert translate({"tools": tools, "tool_choice": choice}, Quirks())[0]["tool_choice"] == choice
    body, losses = translate({"tools": tools, "tool_choice": choice}, Quirks(named_choice=False))
    assert (body["tools"], body["tool_choice"]) == (tools[1:], "required")
    assert losses == ()
    choice["function"]["name"] = "h"
    with pytest.raises(ProviderError) as raised:
        translate({"tools": tools, "tool_choice": choice}, Quirks(named_choice=False))
    assert (raised.value.kind, raised.value.param) == (ErrorKind.INVALID_REQUEST, "tool_choice")


def test_request_renamed_field_is_sent_under_the_servers_name() -> None:
    assert translate({"seed": 5}, Quirks(renames={"seed": "random_seed"}))[0]["random_seed"] == 5
