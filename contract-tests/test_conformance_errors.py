"""Behaviours of errors, for every adapter: the table of what clients are told, and nothing that they must not see."""

import json

from matrix import Talk, behaviour, each
from upstreams import UPSTREAM_KEY, Fault, Reply
from upstreams.wire import json_reply

LONG = "[text=400]"
OPENAI_OVERFLOW = (
    "This model's maximum context length is 128000 tokens. However, your messages resulted in 200000 tokens."
)
OVERFLOWS = {
    "openai": OPENAI_OVERFLOW,
    "anthropic": "prompt is too long: 213000 tokens > 200000 maximum",
    "google": "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
    "bedrock": "Input is too long for requested model.",
    "ollama": "the input exceeds the available context size (8192 tokens)",
    "cohere": "too many tokens: total number of tokens in the prompt cannot exceed 128000",
}


def fails(talk: Talk, fault: Fault, status: int, code: str) -> None:
    """Whole and streamed, the failure is told with this status and code."""
    for send in (talk.ask, talk.stream):
        talk.upstream.script(None, fault=fault)
        answer = send("hello").answer
        assert (answer.status, answer.error()["code"]) == (status, code), answer.body
        assert UPSTREAM_KEY.encode() not in answer.body
        assert talk.upstream.url.encode() not in answer.body


@behaviour("errors.credentials", "A provider's 401 is a 502 of the gateway: the caller's key is fine")
def test_errors_credentials(talk: Talk) -> None:
    fails(talk, Fault(error=401), 502, "upstream_credentials")


@behaviour("errors.forbidden", "A provider's 403 is a 502 too")
def test_errors_forbidden(talk: Talk) -> None:
    fails(talk, Fault(error=403), 502, "upstream_credentials")


@behaviour("errors.rate_limit", "A provider's 429 stays one, with when to try again")
def test_errors_rate_limit(talk: Talk) -> None:
    fails(talk, Fault(error=429, retry_after="7"), 429, "upstream_rate_limited")
    talk.upstream.script(None, fault=Fault(error=429, retry_after="7"))

    assert int(talk.ask("hello").answer.headers["retry-after"]) in range(1, 8)


OVERLOADED = {"anthropic": 529}


@behaviour("errors.overloaded", "An overloaded provider (503, 529) is a 503")
def test_errors_overloaded(talk: Talk) -> None:
    talk.upstream.script(None, fault=Fault(error=OVERLOADED.get(talk.subject.dialect, 503)))

    assert talk.ask("hello").answer.status == 503


@behaviour("errors.server", "A provider's 500 is a 502")
def test_errors_server(talk: Talk) -> None:
    fails(talk, Fault(error=500), 502, "upstream_error")


@behaviour("errors.invalid", "A provider's 400 is a 400 with its words")
def test_errors_invalid(talk: Talk) -> None:
    talk.upstream.script(lambda _: talk.upstream.dialect.error(400, "The shoe does not fit the foot."))
    heard = talk.ask("hello")

    assert heard.answer.status == 400
    assert "The shoe does not fit the foot." in heard.error["message"]


@behaviour("errors.model", "A provider that does not know the model is a 404 that does not blame the caller")
def test_errors_model(talk: Talk) -> None:
    talk.upstream.script(None, fault=Fault(error=404))

    assert talk.ask("hello").refused(404, "model_not_found")


@behaviour("errors.context", "A prompt that is too long is `context_length_exceeded`")
def test_errors_context(talk: Talk) -> None:
    words = OVERFLOWS[talk.subject.dialect]
    talk.upstream.script(lambda _: talk.upstream.dialect.error(400, words))
    heard = talk.ask("hello")

    assert heard.refused(400, "context_length_exceeded")
    assert heard.error["param"] == "messages"


NO_POLICY_ERROR = {
    **each("Claude refuses in its answer (`refusal`), not by an error.", "anthropic", "vertex-claude"),
    "ollama": "Ollama filters nothing.",
    **each("Gemini blocks in its answer (`blockReason`), not by an error.", "google", "vertex-gemini"),
}
POLICIES = {
    "openai": {
        "error": {
            "message": "The response was filtered.",
            "type": "invalid_request_error",
            "param": "prompt",
            "code": "content_filter",
        }
    },
    "bedrock": {"message": "The request was blocked by content filtering policy"},
    "cohere": {"message": "blocked by our filters"},
    "ollama": {"error": "blocked"},
}


@behaviour("errors.policy", "A provider's content policy is told as such", unsupported=NO_POLICY_ERROR)
def test_errors_policy(talk: Talk) -> None:
    if talk.unsupported:
        assert talk.ask("[refuse] x").finish in {"content_filter", "stop"}
        return
    talk.upstream.script(json_reply(POLICIES[talk.subject.dialect], 400))
    heard = talk.ask("hello")

    assert heard.answer.status == 400
    assert heard.error["code"] in {"content_filter", "content_policy_violation"}


@behaviour(
    "errors.inside_stream", "An error as the first event of a 200 is an error with a status, not a broken stream"
)
def test_errors_inside_stream(talk: Talk) -> None:
    talk.upstream.script(None, fault=Fault(error_event_at=0))
    answer = talk.stream(LONG).answer

    assert answer.status in {502, 503}, answer.body
    assert answer.error()["code"]


@behaviour("errors.midstream", "An error after content is an error event, then `[DONE]`")
def test_errors_midstream(talk: Talk) -> None:
    talk.upstream.script(None, fault=Fault(error_event_at=8))
    stream = talk.stream(LONG)

    assert stream.answer.status == 200
    assert len(stream.errors) == 1
    assert stream.events[-1] == "[DONE]"
    assert not any('finish_reason":"stop' in event for event in stream.events)


@behaviour("errors.cut_stream", "A stream that breaks off after content is an error event, then `[DONE]`")
def test_errors_cut_stream(talk: Talk) -> None:
    talk.upstream.script(None, fault=Fault(cut_after=8))
    stream = talk.stream(LONG)

    assert stream.answer.status == 200
    assert [error["code"] for error in stream.errors] == ["upstream_error"]
    assert stream.events[-1] == "[DONE]"


@behaviour("errors.cut_clean", "A stream that ends cleanly without its end is no whole answer")
def test_errors_cut_clean(talk: Talk) -> None:
    def shortened(call) -> Reply:
        reply = talk.upstream.dialect.answer(call).reply
        return Reply(reply.status, reply.headers, reply.parts[:8], streamed=True)

    talk.upstream.script(shortened)
    stream = talk.stream(LONG)

    assert [error["code"] for error in stream.errors] == ["upstream_error"]
    assert stream.events[-1] == "[DONE]"


@behaviour("errors.malformed_event", "An event that is no JSON is an error event or is left out, never passed on")
def test_errors_malformed_event(talk: Talk) -> None:
    talk.upstream.script(None, fault=Fault(corrupt="json", corrupt_at=6))
    stream = talk.stream(LONG)

    assert stream.answer.status == 200
    assert stream.events[-1] == "[DONE]"
    assert all(json.loads(event) for event in stream.events[:-1])
    assert stream.errors


@behaviour("errors.malformed_body", "A body that is no JSON is a 502")
def test_errors_malformed_body(talk: Talk) -> None:
    talk.upstream.script(None, fault=Fault(corrupt="json"))

    assert talk.ask("hello").refused(502, "upstream_error")


@behaviour("errors.html", "An HTML page under 200 or 502 is a 502")
def test_errors_html(talk: Talk) -> None:
    for status in (200, 502):
        fails(talk, Fault(page="html", page_status=status), 502, "upstream_error")


@behaviour("errors.empty", "An empty 200 is a 502")
def test_errors_empty(talk: Talk) -> None:
    fails(talk, Fault(page="empty"), 502, "upstream_error")


@behaviour("errors.closed", "A connection that closes without an answer is a 502")
def test_errors_closed(talk: Talk) -> None:
    talk.upstream.always(None, fault=Fault(no_response=True))  # on a kept connection the first one is tried again

    assert talk.ask("hello").refused(502, "upstream_error")


@behaviour("errors.short_body", "A body shorter than it says is a 502")
def test_errors_short_body(talk: Talk) -> None:
    talk.upstream.script(None, fault=Fault(missing_bytes=10))

    assert talk.ask("hello").refused(502, "upstream_error")


@behaviour("errors.timeout", "A provider that does not begin to answer is a 504")
def test_errors_timeout(talk: Talk) -> None:
    talk.upstream.script(None, fault=Fault(first_byte_delay_s=30))

    assert talk.ask("hello", to="-hasty").refused(504, "upstream_timeout")


@behaviour("errors.idle", "A provider that falls silent midway is an error event, then `[DONE]`")
def test_errors_idle(talk: Talk) -> None:
    talk.upstream.script(None, fault=Fault(stall_after=8))
    stream = talk.stream(LONG, to="-hasty")

    assert [error["code"] for error in stream.errors] == ["upstream_timeout"]
    assert stream.events[-1] == "[DONE]"


@behaviour("errors.request_id", "Every error names the request, and the client's own id changes nothing")
def test_errors_request_id(talk: Talk) -> None:
    talk.upstream.script(None, fault=Fault(error=500))

    assert len(talk.ask("hello").answer.headers["x-request-id"]) == 36
