"""The readers agree with the providers' own SDKs on every recording, and with what providers document."""

from collections import Counter

import pytest
from upstreams import (
    Anthropic,
    Azure,
    Dialect,
    Google,
    OpenAI,
    Reading,
    ToolCall,
    Upstream,
    Usage,
    recording,
    recordings,
)
from upstreams.readers import read, read_body, readable, sdk

DIALECTS: dict[str, type[Dialect]] = {"openai": OpenAI, "azure": Azure, "anthropic": Anthropic, "google": Google}

# Recordings that each dialect must at least have; fewer means that the selection broke.
EXPECTED = {"openai": 270, "azure": 15, "anthropic": 50, "google": 60}


def comparable(reading: Reading) -> Reading:
    """An SDK raises at an error event and drops the usage that came with it."""
    if reading.error is None:
        return reading
    return Reading(text=reading.text, reasoning=reading.reasoning, error=reading.error)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_read_every_recording_agrees_with_the_sdk(dialect: str) -> None:
    found = recordings(dialect=dialect)
    assert len(found) >= EXPECTED[dialect]
    with Upstream(DIALECTS[dialect]()) as upstream, sdk.reader(upstream) as read_by_sdk:
        for candidate in filter(sdk.can_read, found):
            assert comparable(read(candidate)) == comparable(read_by_sdk(candidate)), candidate.name
        assert upstream.problems == []


def test_read_every_recording_says_something() -> None:
    for candidate in filter(readable, recordings()):
        reading = read(candidate)
        if candidate.status >= 400:
            assert reading.error is not None
            assert (reading.error.status, bool(reading.error.message)) == (candidate.status, True), candidate.name
        else:
            # An answer has content, or a finish reason that says why not, or an error event.
            assert reading.finish or reading.vectors or reading.error, candidate.name


# Providers whose own counts contradict each other: more reasoning than completion, or more cached than prompted.
INCONSISTENT = {"azure/grok", "openrouter/", "vercel-gateway/"}


def test_read_usage_details_exceed_their_totals_at_known_providers_only() -> None:
    broken = set()
    for candidate in filter(readable, recordings()):
        usage = read(candidate).usage or Usage()
        details = ((usage.cached or 0) + (usage.cache_write or 0), usage.reasoning or 0)
        if details[0] > (usage.prompt or 0) or details[1] > (usage.completion or 0):
            grok = "grok" if candidate.provider == "azure" and "grok" in candidate.name else ""
            broken.add(f"{candidate.provider}/{grok}")
    assert broken == INCONSISTENT


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "gemini/generateContent__pydantic-ai__test_google_model_safety_settings",
            Reading(finish="content_filter", usage=Usage(prompt=14, completion=0)),
        ),
        (
            "llamacpp/chat.completions__rig__tool_call_cut_mid_arguments",
            Reading(
                tool_calls=(ToolCall("record", '{"note": "The'),),
                finish="length",
                usage=read(recording("llamacpp/chat.completions__rig__tool_call_cut_mid_arguments")).usage,
            ),
        ),
    ],
)
def test_read_known_recording_gives_its_meaning(name: str, expected: Reading) -> None:
    assert read(recording(name)) == expected


CITING = {
    "anthropic": 5,
    "bedrock": 2,
    "cohere": 1,
    "gemini": 5,
    "openai": 1,
    "openrouter": 1,
    "perplexity": 3,
    "vertex": 1,
}
"""How many recordings of each provider cite web pages."""
WITHOUT_ADDRESS = (
    "bedrock/converse__ruby_llm__chat_citations_with_bedrock_claude-haiku-4-5_cites_text_documents_in_responses",
    "bedrock/converse-stream.stream__ruby_llm__chat_citations_with_bedrock_claude-haiku-4-5_streams_citations",
    "cohere/cohere.v2.chat.stream__ruby_llm__chat_citations_with_cohere_command-a-plus-05-2026_streams_citations",
    (
        "cohere/cohere.v2.chat.stream__ruby_llm__chat_function_calling_cohere_command-a-03-2025_can_use_tools_without"
        "_parameters_in_multi-turn_streaming_conversations__1"
    ),
    (
        "cohere/cohere.v2.chat__ruby_llm__chat_function_calling_cohere_command-a-03-2025_can_handle_multiple_tool_calls"
        "_in_a_single_response__1"
    ),
)
"""Recordings that cite the caller's documents, or results of tools, which are no web pages."""


def test_read_citations_are_found_wherever_a_provider_puts_them() -> None:
    found = [one for one in filter(readable, recordings()) if read(one).citations or read(one).sources]
    assert Counter(one.provider for one in found) == CITING
    assert all(cited.url.startswith("http") for one in found for cited in read(one).citations + read(one).sources)


@pytest.mark.parametrize("name", WITHOUT_ADDRESS)
def test_read_citation_of_what_has_no_address_is_none(name: str) -> None:
    assert read(recording(name)).citations == ()


def test_read_anthropic_usage_includes_what_the_cache_gave_and_took() -> None:
    body = (
        b'{"type":"message","content":[{"type":"text","text":"a"},{"type":"tool_use","id":"t","name":"f","input":{}}],'
        b'"stop_reason":"tool_use","usage":{"input_tokens":3,"cache_read_input_tokens":5,'
        b'"cache_creation_input_tokens":7,"output_tokens":2}}'
    )
    reading = read_body("messages", 200, body, "json")
    assert reading.usage == Usage(prompt=15, completion=2, cached=5, cache_write=7)
    assert (reading.text, reading.tool_calls, reading.finish) == ("a", (ToolCall("f", {}),), "tool_calls")


def test_read_google_truncated_call_is_length_and_thoughts_count_as_completion() -> None:
    body = (
        b'{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"a":1}}}]},'
        b'"finishReason":"MAX_TOKENS"}],"usageMetadata":{"promptTokenCount":4,"toolUsePromptTokenCount":6,'
        b'"candidatesTokenCount":2,"thoughtsTokenCount":3,"cachedContentTokenCount":1}}'
    )
    reading = read_body("generateContent", 200, body, "json")
    assert reading.finish == "length"
    assert reading.usage == Usage(prompt=10, completion=5, cached=1, reasoning=3)


def test_read_stream_without_end_has_no_finish() -> None:
    body = b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
    assert read_body("chat.completions", 200, body, "sse").finish is None
    assert read_body("chat.completions", 200, body + b"data: [DONE]\n\n", "sse").finish == "stop"


def test_read_stream_calls_without_index_stay_apart() -> None:
    body = (
        b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{}"}},'
        b'{"id":"b","function":{"name":"f","arguments":"{\\"x\\":1}"}}]},"finish_reason":"tool_calls"}]}\n\n'
    )
    calls = read_body("chat.completions", 200, body, "sse").tool_calls
    assert calls == (ToolCall("f", {}), ToolCall("f", {"x": 1}))
