r"""Holds an adapter to the invariants that the gateway builds on; knows no provider and no test framework.

An adapter's tests describe one exchange in the provider's own bytes, as its documentation shows it: the same answer
once whole and once streamed, with the same ids. `check` then tries the adapter on it in every way in which bytes arrive
and go wrong, and raises `ConformanceError` with all that it found. What is required is said beside each check in
`checks.py` and `faults.py`. Working cases of every dialect are in `tests/adapters/test_conformance_all.py`.

    CASE = ConformanceCase(
        name="text",
        adapter=AnthropicAdapter,                       # anything that takes a Transport and returns a SupportsChat
        deployment=Deployment(
            id="d", model="m", provider="p", adapter="anthropic", upstream_model="claude-x",
            base_url="https://upstream.example", credential=Secret("canary-secret"),
        ),
        request=ChatRequest(model="m", messages=[UserMessage(content="Hi")]),
        whole=b'{"id":"msg_1","type":"message","role":"assistant","model":"claude-x",'
              b'"content":[{"type":"text","text":"Hello"}],"stop_reason":"end_turn","stop_sequence":null,'
              b'"usage":{"input_tokens":3,"output_tokens":5}}',
        stream=b'event: message_start\ndata: {"type":"message_start","message":{...}}\n\n...'
               b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
        error_body=b'{"type":"error","error":{"type":"api_error","message":"Internal server error"}}',
        error_event=b'event: error\ndata: {"type":"error",'
                    b'"error":{"type":"overloaded_error","message":"Overloaded"}}\n\n',
        unknown_event=b'event: news\ndata: {"type":"news"}\n\n',
    )

    async def test_conformance_text_holds():
        await check(CASE)
"""

from adapters.conformance.case import ConformanceCase
from adapters.conformance.checks import ConformanceError, check, findings

__all__ = ["ConformanceCase", "ConformanceError", "check", "findings"]
