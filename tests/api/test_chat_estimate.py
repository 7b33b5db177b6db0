"""What of a chat request counts as input before it is sent: all that a provider may read. Trap 9."""

import json

import pytest

from aqueduct.api.chat import CHAT

TEXT = "x" * 3200


def chars(message: dict[str, object] | None = None, **fields: object) -> int:
    messages = [{"role": "user", "content": "hi"}, *([] if message is None else [message])]
    request, _ = CHAT.decoder.decode(json.dumps({"model": "m", "messages": messages, **fields}).encode())
    return CHAT.reserved_chars(request)


FUNCTION = {"name": "f", "description": TEXT, "parameters": {"type": "object"}}


@pytest.mark.parametrize(
    "fields",
    [
        {"functions": [FUNCTION]},
        {"tools": [{"type": "function", "function": FUNCTION}]},
        {"tools": [{"type": "custom", "custom": {"name": "c", "description": TEXT}}]},
    ],
)
def test_tools_of_every_kind_count(fields: dict[str, object]) -> None:
    assert 3200 < chars(**fields) - chars() < 3200 + 500 * 3.2


@pytest.mark.parametrize(
    "fields",
    [
        {"reasoning_content": TEXT},
        {"reasoning": TEXT},
        {"reasoning": TEXT, "reasoning_content": TEXT},
        {"reasoning_details": [{"type": "reasoning.text", "text": TEXT, "format": "x", "index": 0}]},
        {"refusal": TEXT},
        {"function_call": {"name": "f", "arguments": TEXT}},
    ],
)
def test_what_earlier_answers_hold_counts_once(fields: dict[str, object]) -> None:
    bare = chars({"role": "assistant", "content": "yes"})
    assert 3200 <= chars({"role": "assistant", "content": "yes", **fields}) - bare < 3400


def test_schema_of_the_answer_counts_and_so_do_the_instructions_for_it() -> None:
    schema = {"type": "json_schema", "json_schema": {"name": "s", "schema": {"description": TEXT}}}
    assert 3200 < chars(response_format=schema) - chars() < 3200 + 300 * 3.2


def test_what_templates_add_is_never_booked() -> None:
    request, _ = CHAT.decoder.decode(
        json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}], "functions": [FUNCTION]}).encode()
    )
    assert CHAT.reserved_chars(request) - CHAT.prompt_chars(request) > 350 * 3.2
