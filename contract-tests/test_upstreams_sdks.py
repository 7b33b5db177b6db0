"""The official SDKs, synchronous, asynchronous and streaming, understand the live answers of the mocks."""

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pydantic
import pytest
from google import genai
from google.genai import errors, types
from upstreams import UPSTREAM_KEY, Fault, Upstream, Usage
from upstreams.live import instance, tokens, words
from upstreams.readers import read_body
from upstreams.recordings import reported_errors
from upstreams.wire import reported_reply

TEXT = "Tell me: äöü 🎉"
ECHO = f"You said: {TEXT}"
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "array", "items": {"type": "integer"}}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
TOOL: Any = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
ARGUMENTS = {"city": "x", "days": [1]}


class Weather(pydantic.BaseModel):
    city: str
    days: list[int]


@pytest.fixture
def openai_client(openai_upstream: Upstream) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{openai_upstream.url}/v1", api_key=UPSTREAM_KEY, max_retries=0) as client:
        yield client


@pytest.fixture
def anthropic_client(anthropic_upstream: Upstream) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=anthropic_upstream.url, api_key=UPSTREAM_KEY, max_retries=0) as client:
        yield client


@pytest.fixture
def google_client(google_upstream: Upstream) -> Iterator[genai.Client]:
    with genai.Client(api_key=UPSTREAM_KEY, http_options=types.HttpOptions(base_url=google_upstream.url)) as client:
        yield client


def asked(text: str = TEXT) -> list[Any]:
    return [{"role": "user", "content": text}]


def test_openai_sdk_reads_text_and_the_ledger_has_its_usage(
    openai_client: openai.OpenAI, openai_upstream: Upstream
) -> None:
    made = openai_client.chat.completions.create(model="m", messages=asked())
    assert made.choices[0].message.content == ECHO
    assert made.choices[0].finish_reason == "stop"
    entry = openai_upstream.ledger[0]
    assert made.usage is not None
    assert entry.usage == Usage(prompt=tokens(TEXT), completion=tokens(ECHO), cached=0, reasoning=0)
    assert (made.usage.prompt_tokens, made.usage.completion_tokens) == (entry.usage.prompt, entry.usage.completion)
    assert (entry.call.model, entry.status) == ("m", 200)
    openai_upstream.wait_for(lambda: entry.exchange.completed)  # the client may have read the end before it is noted


def test_openai_sdk_stream_helper_gives_the_same_as_the_whole_answer(openai_client: openai.OpenAI) -> None:
    ask: dict[str, Any] = {"model": "m", "messages": asked("[tools=2] please"), "tools": [TOOL], "n": 2}
    whole = openai_client.chat.completions.create(**ask)
    with openai_client.chat.completions.stream(**ask, stream_options={"include_usage": True}) as stream:
        final = stream.get_final_completion()
    assert final.usage == whole.usage
    for one, other in zip(final.choices, whole.choices, strict=True):
        assert one.finish_reason == other.finish_reason == "tool_calls"
        assert one.message.tool_calls is not None
        assert len(one.message.tool_calls) == 2
        calls = [(call.function.name, json.loads(call.function.arguments)) for call in one.message.tool_calls]
        assert calls == [("weather", ARGUMENTS), ("weather", ARGUMENTS)]


def test_openai_sdk_parse_gives_the_model(openai_client: openai.OpenAI) -> None:
    made = openai_client.chat.completions.parse(model="m", messages=asked(), response_format=Weather)
    assert made.choices[0].message.parsed == Weather(city="x", days=[1])


def test_openai_sdk_required_choice_then_result_makes_an_answer(openai_client: openai.OpenAI) -> None:
    messages = asked()
    made = openai_client.chat.completions.create(model="m", messages=messages, tools=[TOOL], tool_choice="required")
    message = made.choices[0].message
    assert message.tool_calls is not None
    messages += [
        message.to_dict(),
        {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "sunny"},
    ]
    final = openai_client.chat.completions.create(model="m", messages=messages, tools=[TOOL])
    assert final.choices[0].message.content == "The tool says: sunny"


@pytest.mark.parametrize(
    ("extra", "finish", "text"),
    [
        ({"max_completion_tokens": 2}, "length", ECHO[:8]),
        ({"reasoning_effort": "low"}, "stop", ECHO),
        ({"messages": asked("[text=20]")}, "stop", "aqueduct aqueduct aq"),
        ({"response_format": {"type": "json_object"}, "messages": asked("json")}, "stop", '{"echo": "json"}'),
    ],
)
def test_openai_sdk_live_answers_follow_the_request(
    openai_client: openai.OpenAI, extra: dict[str, Any], finish: str, text: str
) -> None:
    made = openai_client.chat.completions.create(**{"model": "m", "messages": asked(), **extra})
    assert (made.choices[0].finish_reason, made.choices[0].message.content) == (finish, text)


def test_openai_sdk_reads_refusal_completions_embeddings_and_models(openai_client: openai.OpenAI) -> None:
    refused = openai_client.chat.completions.create(model="m", messages=asked("[refuse]"))
    assert refused.choices[0].message.refusal == "I cannot help with that."
    legacy = openai_client.completions.create(model="m", prompt="p", stream=True)
    assert "".join(chunk.choices[0].text for chunk in legacy) == "You said: p"
    plain = openai_client.embeddings.create(model="m", input=["a", "b"], dimensions=3, encoding_format="float")
    packed = openai_client.embeddings.create(model="m", input=["a", "b"], dimensions=3)
    assert [entry.embedding for entry in plain.data] == [entry.embedding for entry in packed.data]
    assert len(plain.data[0].embedding) == 3
    assert next(iter(openai_client.models.list())).id == openai_client.models.retrieve("gpt-4o-mini").id


async def test_openai_async_sdk_streams(openai_upstream: Upstream) -> None:
    async with openai.AsyncOpenAI(base_url=f"{openai_upstream.url}/v1", api_key=UPSTREAM_KEY) as client:
        stream = await client.chat.completions.create(model="m", messages=asked(), stream=True)
        pieces = [chunk.choices[0].delta.content or "" async for chunk in stream]
    assert "".join(pieces) == ECHO
    await openai_upstream.await_for(lambda: openai_upstream.open_connections == 0)


def test_openai_sdk_raises_at_an_error_event(openai_client: openai.OpenAI, openai_upstream: Upstream) -> None:
    openai_upstream.script(None, fault=Fault(error_event_at=3))
    with pytest.raises(openai.APIError, match="had an error"):
        list(openai_client.chat.completions.create(model="m", messages=asked(), stream=True))
    openai_upstream.script(None, fault=Fault(error=429, retry_after="3"))
    with pytest.raises(openai.RateLimitError) as raised:
        openai_client.chat.completions.create(model="m", messages=asked())
    assert raised.value.response.headers["retry-after"] == "3"


@pytest.mark.parametrize("fault", [Fault(split=1), Fault(crlf=True), Fault(comments=True), Fault(gzip=True)])
def test_openai_sdk_reads_the_same_through_harmless_framing(
    openai_client: openai.OpenAI, openai_upstream: Upstream, fault: Fault
) -> None:
    openai_upstream.script(None, fault=fault)
    stream = openai_client.chat.completions.create(model="m", messages=asked(), stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == ECHO


def test_azure_sdk_reaches_deployments_and_v1(azure_upstream: Upstream) -> None:
    with openai.AzureOpenAI(
        azure_endpoint=azure_upstream.url, api_key=UPSTREAM_KEY, api_version="2024-10-21", max_retries=0
    ) as client:
        made = client.chat.completions.create(model="deployed", messages=asked())
    assert (made.choices[0].message.content, made.model) == (ECHO, "deployed")
    with openai.OpenAI(base_url=f"{azure_upstream.url}/openai/v1", api_key=UPSTREAM_KEY, max_retries=0) as client:
        stream = client.chat.completions.create(model="deployed", messages=asked(), stream=True)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == ECHO
    assert [entry.call.model for entry in azure_upstream.ledger] == ["deployed", "deployed"]


def test_anthropic_sdk_reads_thinking_text_and_usage(
    anthropic_client: anthropic.Anthropic, anthropic_upstream: Upstream
) -> None:
    ask: dict[str, Any] = {
        "model": "m",
        "max_tokens": 2000,
        "messages": asked(f"{TEXT} [cached=2]"),
        "thinking": {"type": "adaptive"},
    }
    whole = anthropic_client.messages.create(**ask)
    with anthropic_client.messages.stream(**ask) as stream:
        streamed = stream.get_final_message()
    assert [block.type for block in whole.content] == ["thinking", "text"]
    assert whole.stop_reason == "end_turn"
    first, second = anthropic_upstream.ledger
    assert first.usage == second.usage
    for message in (whole, streamed):
        reading = read_body("messages", 200, message.to_json().encode(), "json")
        assert reading.usage == first.usage
        assert (reading.text, reading.finish) == (f"{ECHO} [cached=2]", "stop")
        assert reading.reasoning.startswith("Thinking about: ")


def test_anthropic_sdk_runs_a_tool_round(anthropic_client: anthropic.Anthropic) -> None:
    tools: list[Any] = [{"name": "weather", "input_schema": SCHEMA}]
    messages = asked()
    with anthropic_client.messages.stream(
        model="m", max_tokens=100, messages=messages, tools=tools, tool_choice={"type": "any"}
    ) as stream:
        message = stream.get_final_message()
    assert message.stop_reason == "tool_use"
    use = message.content[0]
    assert use.type == "tool_use"
    assert use.input == ARGUMENTS
    result = {"type": "tool_result", "tool_use_id": use.id, "content": "sunny"}
    messages += [{"role": "assistant", "content": [use.to_dict()]}, {"role": "user", "content": [result]}]
    final = anthropic_client.messages.create(model="m", max_tokens=100, messages=messages, tools=tools)
    assert final.content[0].type == "text"
    assert final.content[0].text == "The tool says: sunny"


def test_anthropic_sdk_reads_counts_models_and_errors(
    anthropic_client: anthropic.Anthropic, anthropic_upstream: Upstream
) -> None:
    assert anthropic_client.messages.count_tokens(model="m", messages=asked()).input_tokens == tokens(TEXT)
    assert [model.id for model in anthropic_client.models.list()] == ["claude-sonnet-4-5", "claude-haiku-4-5"]
    assert anthropic_client.models.retrieve("claude-haiku-4-5").id == "claude-haiku-4-5"
    anthropic_upstream.script(None, fault=Fault(error=529))
    with pytest.raises(anthropic.APIStatusError) as raised:
        anthropic_client.messages.create(model="m", max_tokens=1, messages=asked())
    assert raised.value.status_code == 529
    refused = anthropic_client.messages.create(model="m", max_tokens=50, messages=asked("[refuse]"))
    assert refused.stop_reason == "refusal"


async def test_anthropic_async_sdk_streams(anthropic_upstream: Upstream) -> None:
    async with (
        anthropic.AsyncAnthropic(base_url=anthropic_upstream.url, api_key=UPSTREAM_KEY) as client,
        client.messages.stream(model="m", max_tokens=100, messages=asked()) as stream,
    ):
        assert "".join([text async for text in stream.text_stream]) == ECHO


def test_google_sdk_reads_text_thoughts_and_usage(google_client: genai.Client, google_upstream: Upstream) -> None:
    config = types.GenerateContentConfig(thinking_config=types.ThinkingConfig(include_thoughts=True))
    whole = google_client.models.generate_content(model="m", contents=TEXT, config=config)
    chunks = list(google_client.models.generate_content_stream(model="m", contents=TEXT, config=config))
    assert whole.text == ECHO
    assert "".join(chunk.text or "" for chunk in chunks) == ECHO
    first, second = google_upstream.ledger
    assert first.usage == second.usage
    for metadata in (whole.usage_metadata, chunks[-1].usage_metadata):
        assert metadata is not None
        counts = (metadata.prompt_token_count, metadata.thoughts_token_count, metadata.total_token_count)
        assert first.usage is not None
        total = (first.usage.prompt or 0) + (first.usage.completion or 0)
        assert counts == (first.usage.prompt, first.usage.reasoning, total)


def test_google_sdk_runs_a_tool_round_with_its_signature(google_client: genai.Client) -> None:
    declared = types.FunctionDeclaration(name="weather", parameters_json_schema=SCHEMA)
    forced = types.FunctionCallingConfig(mode=types.FunctionCallingConfigMode.ANY)
    config = types.GenerateContentConfig(
        tools=[types.Tool(function_declarations=[declared])],
        tool_config=types.ToolConfig(function_calling_config=forced),
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    )
    made = google_client.models.generate_content(model="gemini-3-flash", contents=TEXT, config=config)
    assert made.function_calls is not None
    assert made.function_calls[0].args == ARGUMENTS
    assert made.candidates is not None
    answer = made.candidates[0].content
    assert answer is not None
    result = types.Part.from_function_response(name="weather", response={"sky": "sunny"})
    contents: list[Any] = [types.UserContent(TEXT), answer, types.UserContent([result])]
    final = google_client.models.generate_content(model="gemini-3-flash", contents=contents)
    assert final.text == 'The tool says: {"sky": "sunny"}'


def test_google_sdk_reads_schemas_embeddings_models_and_errors(
    google_client: genai.Client, google_upstream: Upstream
) -> None:
    config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=Weather)
    assert google_client.models.generate_content(model="m", contents=TEXT, config=config).parsed == Weather(
        city="x", days=[1]
    )
    embedded = google_client.models.embed_content(model="m", contents=["a", "b"])
    assert embedded.embeddings is not None
    assert [len(entry.values or []) for entry in embedded.embeddings] == [8, 8]
    assert google_client.models.get(model="gemini-2.5-flash").name == "models/gemini-2.5-flash"
    limited = types.GenerateContentConfig(max_output_tokens=1)
    made = google_client.models.generate_content(model="m", contents=TEXT, config=limited)
    assert made.candidates is not None
    assert made.candidates[0].finish_reason == types.FinishReason.MAX_TOKENS
    google_upstream.script(None, fault=Fault(error=429))
    with pytest.raises(errors.ClientError) as raised:
        google_client.models.generate_content(model="m", contents=TEXT)
    assert raised.value.status == "RESOURCE_EXHAUSTED"


# The SDK subclasses aiohttp's session.
@pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")
async def test_google_async_sdk_streams(google_upstream: Upstream) -> None:
    options = types.HttpOptions(base_url=google_upstream.url)
    client = genai.Client(api_key=UPSTREAM_KEY, http_options=options)
    async with client.aio as asynchronous:
        stream = await asynchronous.models.generate_content_stream(model="m", contents=TEXT)
        assert "".join([chunk.text or "" async for chunk in stream]) == ECHO
    client.close()


def test_reported_errors_are_what_the_sdks_raise(openai_upstream: Upstream, anthropic_upstream: Upstream) -> None:
    reported = [entry for entry in reported_errors("openai") if "body" in entry]
    assert len(reported) >= 2
    with openai.OpenAI(base_url=f"{openai_upstream.url}/v1", api_key=UPSTREAM_KEY, max_retries=0) as client:
        for entry in reported:
            openai_upstream.script(reported_reply(entry))
            with pytest.raises(openai.APIStatusError) as raised:
                client.chat.completions.create(model="m", messages=asked())
            assert (raised.value.status_code, raised.value.code) == (entry["status"], entry["body"]["error"]["code"])
    with anthropic.Anthropic(base_url=anthropic_upstream.url, api_key=UPSTREAM_KEY, max_retries=0) as other:
        for entry in reported_errors("anthropic"):
            anthropic_upstream.script(reported_reply(entry))
            with pytest.raises(anthropic.APIStatusError) as refused:
                list(other.messages.create(model="m", max_tokens=1, messages=asked(), stream=True))
            assert refused.value.status_code == entry["status"]


@pytest.mark.parametrize("text", ["", "a", " a  b\n c ", "  ", "äöü 🎉\n\n"])
def test_words_joined_are_the_text(text: str) -> None:
    assert "".join(words(text)) == text


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"$ref": "#/$defs/a", "$defs": {"a": {"enum": ["v"]}}}, "v"),
        ({"type": ["string", "null"]}, "x"),
        ({"anyOf": [{"type": "null"}, {"type": "string"}]}, None),
        ({"type": "OBJECT", "properties": {"a": {"type": "BOOLEAN"}}}, {"a": True}),
        ({"type": "array", "items": {"type": "number", "minimum": 3}, "minItems": 2}, [3, 3]),
    ],
)
def test_instance_satisfies_its_schema(schema: dict[str, Any], expected: object) -> None:
    assert instance(schema, schema) == expected
