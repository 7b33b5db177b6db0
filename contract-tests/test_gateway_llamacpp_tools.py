"""Real tool calls of a real model behind the gateway: a small one, held to the schemas by its server's grammar."""

import json
from typing import Any

import jsonschema_rs
import openai
import pytest
from llama_fixtures import ONCE, counts, meaning, streamed, whole
from llama_server import Llama
from running_gateway import RunningGateway


def tool(name: str) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {
            "name": name,
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
                "additionalProperties": False,
            },
        },
    }


def called(call_id: str, name: str, city: str) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": json.dumps({"city": city})}}


WEATHER, POPULATION = tool("get_weather"), tool("get_population")
# A model this small calls a tool once it has seen one called.
EXAMPLE = [
    {"role": "user", "content": "What is the weather in Rome?"},
    {"role": "assistant", "content": None, "tool_calls": [called("call_1", "get_weather", "Rome")]},
    {"role": "tool", "tool_call_id": "call_1", "content": "31 degrees"},
    {"role": "assistant", "content": "It is 31 degrees in Rome."},
]
ASKED_WEATHER = [*EXAMPLE, {"role": "user", "content": "What is the weather in Paris?"}]
ASKED_BOTH = [
    {"role": "user", "content": "What are the weather and the population of Rome?"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [called("call_1", "get_weather", "Rome"), called("call_2", "get_population", "Rome")],
    },
    {"role": "tool", "tool_call_id": "call_1", "content": "31 degrees"},
    {"role": "tool", "tool_call_id": "call_2", "content": "3 million"},
    {"role": "assistant", "content": "It is 31 degrees in Rome, where 3 million people live."},
    {"role": "user", "content": "What are the weather and the population of Paris?"},
]


def test_tool_is_called_with_arguments_of_its_schema_and_its_result_is_told(
    llama_client: openai.OpenAI, llama_direct: openai.OpenAI, llama_gateway: RunningGateway
) -> None:
    wish: dict[str, Any] = {"messages": ASKED_WEATHER, "tools": [WEATHER, POPULATION]}
    wish |= {"tool_choice": "required", "extra_body": ONCE}
    given, answer, stream = whole(llama_direct, **wish), whole(llama_client, **wish), streamed(llama_client, **wish)

    assert meaning(answer) == meaning(stream) == meaning(given)
    assert counts(answer) == counts(stream) == counts(given)
    choice = answer.choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls is not None
    (call,) = choice.message.tool_calls
    assert call.type == "function"
    assert (call.function.name, json.loads(call.function.arguments)) == ("get_weather", {"city": "Paris"})
    jsonschema_rs.validate(WEATHER["function"]["parameters"], json.loads(call.function.arguments))
    assert 0 < len(call.id) <= 64

    turns = [
        *ASKED_WEATHER,
        choice.message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": call.id, "content": "17 degrees"},
    ]
    told = whole(llama_client, messages=turns, tools=[WEATHER, POPULATION], extra_body=ONCE)
    assert "17" in (told.choices[0].message.content or "")
    assert told.choices[0].finish_reason == "stop"
    assert {row["usage_source"] for row in llama_gateway.rows(3)} == {"provider"}


@pytest.mark.parametrize("ask", [whole, streamed])
def test_two_tools_are_called_at_once_with_ids_and_places_of_their_own(llama_client: openai.OpenAI, ask: Any) -> None:
    wish = {"tools": [WEATHER, POPULATION], "tool_choice": "required", "parallel_tool_calls": True}
    answer = ask(llama_client, messages=ASKED_BOTH, max_tokens=100, extra_body=ONCE, **wish)

    calls = answer.choices[0].message.tool_calls
    assert {call.function.name for call in calls} == {"get_weather", "get_population"}
    assert {call.function.arguments for call in calls} == {'{"city": "Paris"}'}
    assert len({call.id for call in calls}) == len(calls) == 2


@pytest.mark.parametrize("ask", [whole, streamed])
def test_named_tool_is_the_one_that_is_called(llama_client: openai.OpenAI, ask: Any) -> None:
    choice = {"type": "function", "function": {"name": "get_population"}}
    answer = ask(llama_client, messages=ASKED_WEATHER, tools=[WEATHER, POPULATION], tool_choice=choice, extra_body=ONCE)

    (call,) = answer.choices[0].message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("get_population", {"city": "Paris"})


def test_every_tool_call_and_result_is_part_of_the_prompt(llama_client: openai.OpenAI, llama: Llama) -> None:
    request: dict[str, Any] = {"messages": ASKED_BOTH, "tools": [WEATHER, POPULATION]}
    prompt = llama.prompt(**request)

    assert all(words in prompt for words in ("get_weather", "get_population", "31 degrees", "3 million"))
    assert counts(whole(llama_client, **request, max_tokens=1, extra_body=ONCE))[0] == llama.count_tokens(prompt)
