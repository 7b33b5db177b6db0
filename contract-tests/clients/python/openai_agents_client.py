"""`openai-agents`: an agent with tools, a structured output and a stream, over the chat API."""

from collections.abc import Mapping

from agents import Agent, ModelSettings, OpenAIChatCompletionsModel, Runner, Tool, function_tool, set_tracing_disabled
from openai import AsyncOpenAI
from openai.types.responses import ResponseTextDeltaEvent
from pydantic import BaseModel
from scenarios import HELLO, QUESTION, RESULTS, UNKNOWN_MODEL, Facts, Scenario, main, refusal


class Forecast(BaseModel):
    """The weather of a city."""

    city: str
    degrees: int


def weather_tools(called: list[str]) -> list[Tool]:
    """Two tools that write down how they were called."""

    @function_tool
    def get_weather(city: str) -> str:
        """The weather in a city."""
        called.append(f"get_weather {city}")
        return RESULTS["get_weather"]

    @function_tool
    def get_time(zone: str) -> str:
        """The time in a zone."""
        called.append(f"get_time {zone}")
        return RESULTS["get_time"]

    return [get_weather, get_time]


def scenarios(url: str, token: str, name: str) -> Mapping[str, Scenario]:
    """What an application does with an agent."""
    set_tracing_disabled(disabled=True)

    def model(name: str = name) -> OpenAIChatCompletionsModel:
        return OpenAIChatCompletionsModel(
            model=name, openai_client=AsyncOpenAI(base_url=url, api_key=token, max_retries=0)
        )

    def agent() -> tuple[Agent, list[str]]:
        called: list[str] = []
        settings = ModelSettings(max_tokens=200, include_usage=True)
        tools = weather_tools(called)
        return Agent(name="A", instructions="Be brief.", model=model(), tools=tools, model_settings=settings), called

    async def tools() -> Facts:
        made, called = agent()
        result = await Runner.run(made, QUESTION)
        usage = result.context_wrapper.usage
        return {"called": sorted(called), "text": result.final_output, "usage": usage.total_tokens}

    async def streamed_tools() -> Facts:
        made, called = agent()
        result = Runner.run_streamed(made, QUESTION)
        async for _ in result.stream_events():
            pass
        usage = result.context_wrapper.usage
        return {"called": sorted(called), "text": result.final_output, "usage": usage.total_tokens}

    async def structured() -> Facts:
        made = Agent(name="A", model=model(), output_type=Forecast)
        result = await Runner.run(made, "The weather, please.")
        return {"value": result.final_output.model_dump()}

    async def stream() -> Facts:
        made = Agent(name="A", model=model(), model_settings=ModelSettings(include_usage=True))
        result = Runner.run_streamed(made, HELLO)
        pieces = [
            event.data.delta
            async for event in result.stream_events()
            if event.type == "raw_response_event" and isinstance(event.data, ResponseTextDeltaEvent)
        ]
        usage = result.context_wrapper.usage
        return {"text": "".join(pieces), "pieces": len(pieces), "usage": usage.total_tokens}

    return {
        "recording": stream,
        "tools": tools,
        "streamed tools": streamed_tools,
        "structured": structured,
        "stream": stream,
        "refusal": lambda: refusal(lambda: Runner.run(Agent(name="A", model=model(UNKNOWN_MODEL)), HELLO)),
    }


if __name__ == "__main__":
    main("openai-agents", scenarios)
