"""The provider's own SDK at the mock, and the `openai` client at the gateway in front of it: the same answer.

The provider's SDK is the oracle. Both ask the same question in their own terms; what they are told must mean the same,
field by field, whole and streamed.
"""

import json
from collections.abc import Callable, Iterator

import anthropic
import openai
import pytest
from gateway_fixtures import Mocks
from google import genai
from google.genai import types as genai_types
from msgspec import Struct, structs
from running_gateway import TOKEN, RunningGateway
from upstreams import UPSTREAM_KEY, Reading
from upstreams.readers import READERS, read_body
from upstreams.readers.sse import Decoded

WEATHER = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
TIME = {"type": "object", "properties": {"zone": {"type": "string"}}}
MAX_TOKENS = 200


class Question(Struct, frozen=True, kw_only=True):
    """One question, in neutral terms."""

    text: str
    system: str | None = None
    tools: bool = False
    choice: str | None = None
    max_tokens: int = MAX_TOKENS
    images: bool = False


QUESTIONS = {
    "plain": Question(text="What is an aqueduct?"),
    "system": Question(text="What is an aqueduct?", system="Answer briefly."),
    "cut off": Question(text="Tell me [text=400]", max_tokens=5),
    "cached": Question(text="Read [cached=16] this long text again, please, with all that stands in it."),
    "tools not used": Question(text="Hello", tools=True),
    "one tool": Question(text="[tool] What is the weather?", tools=True),
    "two tools": Question(text="[tools=2] What is the weather, and the time?", tools=True),
    "required tool": Question(text="Weather?", tools=True, choice="required"),
    "named tool": Question(text="Time?", tools=True, choice="get_time"),
    "no tool": Question(text="[tool] Weather?", tools=True, choice="none"),
    "refused": Question(text="[refuse] Do something bad."),
    "image": Question(text="What do you see?", images=True),
}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def through_gateway(client: openai.OpenAI, model: str, question: Question, *, stream: bool) -> Reading:
    content: list[dict[str, object]] = [{"type": "text", "text": question.text}]
    if question.images:
        content.append({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}})
    body: dict[str, object] = {
        "model": model,
        "messages": [{"role": "user", "content": content}],
        "max_completion_tokens": question.max_tokens,
    }
    if question.system is not None:
        body["messages"] = [{"role": "system", "content": question.system}, {"role": "user", "content": content}]
    if question.tools:
        body["tools"] = [
            {"type": "function", "function": {"name": "get_weather", "description": "Weather", "parameters": WEATHER}},
            {"type": "function", "function": {"name": "get_time", "description": "Time", "parameters": TIME}},
        ]
    if question.choice is not None:
        named = {"type": "function", "function": {"name": question.choice}}
        body["tool_choice"] = question.choice if question.choice in {"required", "none"} else named
    create: Callable[..., object] = client.chat.completions.create
    if not stream:
        answer = create(**body)
        assert isinstance(answer, openai.types.chat.ChatCompletion)
        return read_body("chat.completions", 200, answer.to_json().encode(), "json")
    chunks = create(**body, stream=True, stream_options={"include_usage": True})
    assert isinstance(chunks, openai.Stream)
    events = [*(chunk.to_json(indent=None) for chunk in chunks), "[DONE]"]
    return read_body("chat.completions", 200, "".join(f"data: {event}\n\n" for event in events).encode(), "sse")


def with_anthropic(mocks: Mocks, question: Question) -> Reading:
    content: list[dict[str, object]] = [{"type": "text", "text": question.text}]
    if question.images:
        content.append({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}})
    body: dict[str, object] = {
        "model": "claude-sonnet-4-6",
        "max_tokens": question.max_tokens,
        "messages": [{"role": "user", "content": content}],
    }
    if question.system is not None:
        body["system"] = [{"type": "text", "text": question.system}]
    if question.tools:
        body["tools"] = [
            {"name": "get_weather", "description": "Weather", "input_schema": WEATHER},
            {"name": "get_time", "description": "Time", "input_schema": TIME},
        ]
    if question.choice is not None:
        kind = {"required": "any", "none": "none"}.get(question.choice)
        body["tool_choice"] = {"type": kind} if kind else {"type": "tool", "name": question.choice}
    with anthropic.Anthropic(base_url=mocks.anthropic.url, api_key=UPSTREAM_KEY, max_retries=0) as client:
        create: Callable[..., anthropic.types.Message] = client.messages.create
        answer = create(**body)
    return READERS["messages"](200, Decoded([json.loads(answer.to_json())]))


def with_google(mocks: Mocks, question: Question) -> Reading:
    parts = [genai_types.Part(text=question.text)]
    if question.images:
        parts.append(genai_types.Part(inline_data=genai_types.Blob(mime_type="image/png", data=PIXEL)))
    config = genai_types.GenerateContentConfig(
        max_output_tokens=question.max_tokens, system_instruction=question.system
    )
    if question.tools:
        declarations = [
            genai_types.FunctionDeclaration(name="get_weather", description="Weather", parameters_json_schema=WEATHER),
            genai_types.FunctionDeclaration(name="get_time", description="Time", parameters_json_schema=TIME),
        ]
        config.tools = [genai_types.Tool(function_declarations=declarations)]
        config.automatic_function_calling = genai_types.AutomaticFunctionCallingConfig(disable=True)
    if question.choice is not None:
        mode = "NONE" if question.choice == "none" else "ANY"
        names = None if question.choice in {"required", "none"} else [question.choice]
        config.tool_config = genai_types.ToolConfig(
            function_calling_config=genai_types.FunctionCallingConfig(mode=mode, allowed_function_names=names)
        )
    options = genai_types.HttpOptions(base_url=mocks.google.url)
    with genai.Client(api_key=UPSTREAM_KEY, http_options=options) as client:
        answer = client.models.generate_content(
            model="gemini-2.5-flash", contents=[genai_types.Content(role="user", parts=parts)], config=config
        )
    document = json.loads(answer.model_dump_json(by_alias=True, exclude_none=True))
    return READERS["generateContent"](200, Decoded([document]))


ORACLES: dict[str, Callable[[Mocks, Question], Reading]] = {"claude": with_anthropic, "gemini": with_google}


@pytest.fixture
def client(gateway: RunningGateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=gateway.url, api_key=TOKEN, max_retries=0) as client:
        yield client


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS.keys())
@pytest.mark.parametrize("model", ORACLES)
def test_openai_client_is_told_what_the_providers_own_sdk_is_told(
    client: openai.OpenAI, mocks: Mocks, model: str, question: Question, *, stream: bool
) -> None:
    expected = ORACLES[model](mocks, question)

    found = through_gateway(client, model, question, stream=stream)

    if expected.usage is not None and found.usage is not None:
        for name in ("cached", "cache_write", "reasoning"):  # what was not reported may be told as zero
            if not getattr(expected.usage, name) and not getattr(found.usage, name):
                expected = structs.replace(expected, usage=structs.replace(expected.usage, **{name: None}))
                found = structs.replace(found, usage=structs.replace(found.usage, **{name: None}))
    assert found == expected
