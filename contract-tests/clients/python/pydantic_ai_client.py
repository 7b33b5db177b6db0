"""`pydantic-ai`: an agent with tools, both ways to a structured output, and streams."""

from collections.abc import Callable, Mapping
from functools import partial

from pydantic import BaseModel
from pydantic_ai import Agent, ModelSettings, NativeOutput, ToolCallPart
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from scenarios import HELLO, QUESTION, RESULTS, UNKNOWN_MODEL, Facts, Scenario, main, refusal


class Forecast(BaseModel):
    """The weather of a city."""

    city: str
    degrees: int


def weather_tools(called: list[str]) -> list[Callable[[str], str]]:
    """Two tools that write down how they were called."""

    def get_weather(city: str) -> str:
        """The weather in a city."""
        called.append(f"get_weather {city}")
        return RESULTS["get_weather"]

    def get_time(zone: str) -> str:
        """The time in a zone."""
        called.append(f"get_time {zone}")
        return RESULTS["get_time"]

    return [get_weather, get_time]


def scenarios(url: str, token: str, name: str) -> Mapping[str, Scenario]:
    """What an application does with an agent."""

    provider = OpenAIProvider(base_url=url, api_key=token)
    model = partial(OpenAIChatModel, name, provider=provider)

    def agent() -> tuple[Agent, list[str]]:
        called: list[str] = []
        settings = ModelSettings(max_tokens=200)
        tools = weather_tools(called)
        return Agent(model(), instructions="Be brief.", tools=tools, model_settings=settings), called

    async def tools() -> Facts:
        made, called = agent()
        result = await made.run(QUESTION)
        usage = result.usage
        ids = [
            part.tool_call_id for one in result.all_messages() for part in one.parts if isinstance(part, ToolCallPart)
        ]
        return {"called": sorted(called), "text": result.output, "usage": usage.total_tokens, "ids": len(set(ids))}

    async def streamed_tools() -> Facts:
        made, called = agent()
        async with made.run_stream(QUESTION) as result:
            text = "".join([piece async for piece in result.stream_text(delta=True, debounce_by=None)])
        return {"called": sorted(called), "text": text, "usage": result.usage.total_tokens}

    async def structured() -> Facts:
        result = await Agent(model(), output_type=Forecast).run("The weather, please.")
        return {"value": result.output.model_dump()}

    async def structured_natively() -> Facts:
        result = await Agent(model(), output_type=NativeOutput(Forecast)).run("The weather, please.")
        return {"value": result.output.model_dump()}

    async def stream() -> Facts:
        async with Agent(model()).run_stream(HELLO) as result:
            pieces = [piece async for piece in result.stream_text(delta=True, debounce_by=None)]
        return {"text": "".join(pieces), "pieces": len(pieces), "usage": result.usage.total_tokens}

    async def reasoning() -> Facts:
        result = await Agent(model()).run("[think] Why?")
        return {"reasoning": result.response.thinking, "text": result.output}

    return {
        "recording": stream,
        "tools": tools,
        "streamed tools": streamed_tools,
        "structured": structured,
        "structured natively": structured_natively,
        "stream": stream,
        "reasoning": reasoning,
        "refusal": lambda: refusal(lambda: Agent(OpenAIChatModel(UNKNOWN_MODEL, provider=provider)).run(HELLO)),
    }


if __name__ == "__main__":
    main("pydantic-ai-slim", scenarios)
