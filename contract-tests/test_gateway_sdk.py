"""What the official `openai` client offers beyond plain calls, through the gateway to every provider."""

from collections.abc import AsyncIterator, Iterator
from typing import cast

import openai
import pydantic
import pytest
from gateway_fixtures import Mocks
from openai.types.chat import (
    ChatCompletionFunctionToolParam,
    ChatCompletionMessageParam,
    ChatCompletionToolMessageParam,
)
from running_gateway import TOKEN, RunningGateway
from upstreams import Fault

MODELS = ["gpt", "gpt-azure", "llama", "claude", "gemini"]
HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Say hello."}]
TOOL: ChatCompletionFunctionToolParam = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


class Forecast(pydantic.BaseModel):
    city: str
    degrees: int


class GetWeather(pydantic.BaseModel):
    city: str


class GetTime(pydantic.BaseModel):
    zone: str


@pytest.fixture
def client(gateway: RunningGateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=gateway.url, api_key=TOKEN, max_retries=0) as client:
        yield client


@pytest.fixture
async def async_client(gateway: RunningGateway) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=gateway.url, api_key=TOKEN, max_retries=0) as client:
        yield client


@pytest.mark.parametrize("model", MODELS)
async def test_async_client_whole_and_streamed(async_client: openai.AsyncOpenAI, model: str) -> None:
    whole = await async_client.chat.completions.create(model=model, messages=HELLO, max_tokens=50)
    stream = await async_client.chat.completions.create(model=model, messages=HELLO, max_tokens=50, stream=True)
    text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    assert text == whole.choices[0].message.content


@pytest.mark.parametrize("model", MODELS)
def test_stream_helper_collects_the_final_completion(client: openai.OpenAI, model: str) -> None:
    with client.chat.completions.stream(
        model=model, messages=HELLO, max_tokens=50, stream_options={"include_usage": True}
    ) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()

    assert {"chunk", "content.delta", "content.done"} <= kinds
    assert final.choices[0].message.content
    assert final.choices[0].finish_reason == "stop"
    assert final.usage is not None
    assert final.usage.total_tokens == final.usage.prompt_tokens + final.usage.completion_tokens


@pytest.mark.parametrize("model", MODELS)
def test_parse_returns_the_structured_output(client: openai.OpenAI, model: str) -> None:
    answer = client.chat.completions.parse(
        model=model,
        messages=[{"role": "user", "content": "The weather, please."}],
        response_format=Forecast,
        max_tokens=100,
    )

    assert isinstance(answer.choices[0].message.parsed, Forecast)
    assert answer.choices[0].finish_reason == "stop"


@pytest.mark.parametrize("model", MODELS)
async def test_stream_helper_parses_the_structured_output_of_the_async_client(
    async_client: openai.AsyncOpenAI, model: str
) -> None:
    async with async_client.chat.completions.stream(
        model=model,
        messages=[{"role": "user", "content": "The weather, please."}],
        response_format=Forecast,
        max_tokens=100,
    ) as stream:
        parsed = [event.parsed async for event in stream if event.type == "content.done"]
        final = await stream.get_final_completion()

    assert parsed == [final.choices[0].message.parsed]
    assert isinstance(parsed[0], Forecast)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_parallel_calls_of_strict_tools_are_parsed_and_both_results_are_read(
    client: openai.OpenAI, model: str, *, stream: bool
) -> None:
    tools = [openai.pydantic_function_tool(GetWeather), openai.pydantic_function_tool(GetTime)]
    question: list[ChatCompletionMessageParam] = [{"role": "user", "content": "[tools=2] Weather and time in Rome?"}]
    if stream:
        with client.chat.completions.stream(model=model, messages=question, tools=tools, max_tokens=100) as events:
            done = [event for event in events if event.type == "tool_calls.function.arguments.done"]
            asked = events.get_final_completion()
        assert [(event.index, event.name) for event in done] == [(0, "GetWeather"), (1, "GetTime")]
    else:
        asked = client.chat.completions.parse(model=model, messages=question, tools=tools, max_tokens=100)
    message = asked.choices[0].message
    calls = message.tool_calls or []

    assert [call.function.parsed_arguments for call in calls] == [GetWeather(city="x"), GetTime(zone="x")]
    assert len({call.id for call in calls}) == 2

    results = {"GetWeather": "22 degrees", "GetTime": "noon"}
    answered = client.chat.completions.create(
        model=model,
        messages=[
            *question,
            # As applications do it: the answer goes back whole, with all that it holds.
            cast("ChatCompletionMessageParam", message.to_dict()),
            *(
                ChatCompletionToolMessageParam(role="tool", tool_call_id=call.id, content=results[call.function.name])
                for call in calls
            ),
        ],
        tools=tools,
        max_tokens=100,
    )

    assert "noon" in (answered.choices[0].message.content or "")
    assert answered.choices[0].finish_reason == "stop"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_tool_loop_over_two_turns(client: openai.OpenAI, mocks: Mocks, model: str, *, stream: bool) -> None:
    del mocks
    question: list[ChatCompletionMessageParam] = [{"role": "user", "content": "[tool] Weather in Rome?"}]
    if stream:
        with client.chat.completions.stream(model=model, messages=question, tools=[TOOL], max_tokens=100) as events:
            asked = events.get_final_completion()
    else:
        asked = client.chat.completions.create(model=model, messages=question, tools=[TOOL], max_tokens=100)
    message = asked.choices[0].message
    assert asked.choices[0].finish_reason == "tool_calls"
    assert message.tool_calls
    call = message.tool_calls[0]
    assert call.type == "function"
    assert call.function.name == "get_weather"

    answered = client.chat.completions.create(
        model=model,
        messages=[
            *question,
            {
                "role": "assistant",
                "content": message.content,
                "tool_calls": [
                    {
                        "id": call.id,
                        "type": "function",
                        "function": {"name": call.function.name, "arguments": call.function.arguments},
                    }
                ],
            },
            {"role": "tool", "tool_call_id": call.id, "content": "22 degrees"},
        ],
        tools=[TOOL],
        max_tokens=100,
    )

    assert "22 degrees" in (answered.choices[0].message.content or "")
    assert answered.choices[0].finish_reason == "stop"


@pytest.mark.parametrize("model", ["gpt", "gemini-embedding", "echo"])
def test_embeddings_with_the_clients_default_encoding(
    client: openai.OpenAI, gateway: RunningGateway, model: str
) -> None:
    answer = client.embeddings.create(model=model, input=["one", "two"])

    assert answer.model == model
    assert [item.index for item in answer.data] == [0, 1]
    assert all(isinstance(number, float) for number in answer.data[0].embedding)
    assert answer.data[0].embedding != answer.data[1].embedding
    assert gateway.rows(1)[0]["operation"] == "embeddings"


@pytest.mark.parametrize("model", ["gpt", "on-default", "echo"])
def test_texts_as_tokens_are_several_texts(client: openai.OpenAI, model: str) -> None:
    """LangChain's embeddings send them by default."""
    vectors = client.embeddings.create(model=model, input=[[1, 2], [3]])
    completion = client.completions.create(model=model, prompt=[[1, 2], [3]], max_tokens=50)

    assert [item.index for item in vectors.data] == [0, 1]
    assert [choice.index for choice in completion.choices] == [0, 1]


@pytest.mark.parametrize("model", ["gpt", "echo"])
def test_legacy_completions_whole_and_streamed(client: openai.OpenAI, gateway: RunningGateway, model: str) -> None:
    whole = client.completions.create(model=model, prompt="Once upon", max_tokens=50)
    chunks = list(client.completions.create(model=model, prompt="Once upon", max_tokens=50, stream=True))

    assert "".join(chunk.choices[0].text for chunk in chunks) == whole.choices[0].text
    assert [row["streamed"] for row in gateway.rows(2)] == [False, True]


def test_client_retries_what_the_gateway_could_not_and_succeeds(gateway: RunningGateway, mocks: Mocks) -> None:
    mocks.openai.script(None, None, fault=Fault(error=500))  # both attempts of the first request
    with openai.OpenAI(base_url=gateway.url, api_key=TOKEN, max_retries=1) as client:
        answer = client.chat.completions.create(model="gpt", messages=HELLO)

    assert answer.choices[0].message.content
    assert [row["status"] for row in gateway.rows(2)] == [502, 200]


def test_every_answer_names_the_request_as_its_usage_row_does(client: openai.OpenAI, gateway: RunningGateway) -> None:
    answer = client.chat.completions.with_raw_response.create(
        model="gpt", messages=HELLO, extra_headers={"x-client-request-id": "mine-1"}, user="ada"
    )

    row = gateway.rows(1)[0]
    assert answer.headers["x-request-id"] == str(row["id"])
    assert answer.headers["x-aqueduct-model"] == "gpt"
    assert answer.headers["x-aqueduct-provider"] == "openai"
    assert answer.headers["x-aqueduct-usage-source"] == "provider"
    assert answer.headers["openai-organization"] == "demo"
    assert float(answer.headers["x-aqueduct-overhead-ms"]) >= 0
    assert (row["client_request_id"], row["client_user"]) == ("mine-1", "ada")


def test_unknown_parameters_reach_compatible_servers_and_are_named_where_they_are_dropped(
    client: openai.OpenAI, mocks: Mocks
) -> None:
    forwarded = client.chat.completions.with_raw_response.create(
        model="llama", messages=HELLO, extra_body={"guided_choice": ["a", "b"]}
    )
    dropped = client.chat.completions.with_raw_response.create(
        model="claude", messages=HELLO, seed=1, extra_body={"guided_choice": ["a", "b"]}
    )

    assert mocks.compatible.ledger[0].call.body["guided_choice"] == ["a", "b"]
    assert "x-aqueduct-dropped-params" not in forwarded.headers
    assert set(dropped.headers["x-aqueduct-dropped-params"].split(",")) == {"guided_choice", "seed"}
    assert "guided_choice" not in mocks.anthropic.ledger[0].call.body
