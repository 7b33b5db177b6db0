"""`langchain-openai`: a tool loop, both ways to a structured output, and streams with `ChatOpenAI`."""

from collections.abc import Mapping

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel
from scenarios import HELLO, QUESTION, RESULTS, UNKNOWN_MODEL, Facts, Scenario, main, refusal


class Forecast(BaseModel):
    """The weather of a city."""

    city: str
    degrees: int


@tool
def get_weather(city: str) -> str:
    """The weather in a city."""
    del city
    return RESULTS["get_weather"]


@tool
def get_time(zone: str) -> str:
    """The time in a zone."""
    del zone
    return RESULTS["get_time"]


TOOLS = {"get_weather": get_weather, "get_time": get_time}


def scenarios(url: str, token: str, name: str) -> Mapping[str, Scenario]:
    """What an application does with a chat model."""

    def model(name: str = name) -> ChatOpenAI:
        return ChatOpenAI(model=name, base_url=url, api_key=token, max_retries=0, max_tokens=200, stream_usage=True)

    def loop(*, streamed: bool) -> Facts:
        bound = model().bind_tools(list(TOOLS.values()))

        def ask(history: list[BaseMessage]) -> AIMessage:
            if not streamed:
                return bound.invoke(history)
            first, *others = bound.stream(history)
            for chunk in others:
                first += chunk
            return first

        history: list[BaseMessage] = [SystemMessage("Be brief."), HumanMessage(QUESTION)]
        called: list[str] = []
        total = 0
        for _ in range(3):
            answer = ask(history)
            total += answer.usage_metadata["total_tokens"]
            history.append(answer)
            if not answer.tool_calls:
                break
            called += [" ".join([call["name"], *call["args"].values()]) for call in answer.tool_calls]
            history += [TOOLS[call["name"]].invoke(call) for call in answer.tool_calls]
        return {"called": sorted(called), "text": history[-1].text, "usage": total}

    def structured(method: str) -> Facts:
        made = model().with_structured_output(Forecast, method=method).invoke("The weather, please.")
        return {"value": made.model_dump()}

    async def stream() -> Facts:
        chunks = [chunk async for chunk in model().astream(HELLO)]
        pieces = [chunk.text for chunk in chunks if chunk.text]
        usage = [chunk.usage_metadata["total_tokens"] for chunk in chunks if chunk.usage_metadata]
        return {"text": "".join(pieces), "pieces": len(pieces), "usage": sum(usage)}

    return {
        "recording": stream,
        "tools": lambda: loop(streamed=False),
        "streamed tools": lambda: loop(streamed=True),
        "structured": lambda: structured("function_calling"),
        "structured natively": lambda: structured("json_schema"),
        "stream": stream,
        "refusal": lambda: refusal(lambda: model(UNKNOWN_MODEL).invoke(HELLO)),
    }


if __name__ == "__main__":
    main("langchain-openai", scenarios)
