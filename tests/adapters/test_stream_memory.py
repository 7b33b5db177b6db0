"""An open stream of any dialect holds nothing of what was asked, as the client sent it or as the provider took it."""

import gc
from collections.abc import Iterator
from types import FunctionType, ModuleType

import pytest
from msgspec import Raw
from msgspec.structs import replace

from tests.adapters.dialects import DIALECTS, asked

MARKER = "a text that only the request has"
PARAMETERS = {"type": "object", "properties": {"place": {"type": "string", "description": MARKER}}}
DOCUMENT = {
    "stream": True,
    "messages": [
        {"role": "system", "content": MARKER},
        {"role": "user", "content": MARKER},
        {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": {"name": "look up",
                                                                                         "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c", "content": MARKER},
    ],
    "tools": [{"type": "function", "function": {"name": "look up", "description": MARKER, "parameters": PARAMETERS}}],
}  # fmt: skip
FORM = {"response_format": {"type": "json_schema", "json_schema": {"name": "place", "schema": PARAMETERS}}}


def reachable(root: object) -> Iterator[object]:
    """Everything that an object keeps in memory, but for code."""
    seen: set[int] = set()
    left = [root]
    while left:
        one = left.pop()
        if id(one) in seen or isinstance(one, type | ModuleType):
            continue
        seen.add(id(one))
        yield one
        left += one.__closure__ or () if isinstance(one, FunctionType) else gc.get_referents(one)


def is_of_request(one: object) -> bool:
    """Whether an object is of the request; JSON that was left as it came holds all of the body that it came in."""
    if isinstance(one, bytes):
        return MARKER.encode() in one
    return isinstance(one, Raw) or (isinstance(one, str) and MARKER in one)


@pytest.mark.parametrize("form", [{}, FORM], ids=["text", "form"])
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_open_stream_holds_nothing_of_what_was_asked(dialect: str, form: dict) -> None:
    adapter, request, call = asked(dialect, {**DOCUMENT, **form}, b"")
    forwarding = replace(call.deployment, extra_params="forward")
    call = replace(call, deployment=forwarding, extra_params={"further": Raw(b'"%b"' % MARKER.encode())})
    stream = await adapter.chat_stream(request, call)
    (sent,) = adapter._transport.requests  # where every adapter of ours keeps the shared one
    assert is_of_request(sent.body)
    adapter._transport.requests.clear()

    assert [one for one in reachable(stream) if is_of_request(one)] == []
    await stream.aclose()
