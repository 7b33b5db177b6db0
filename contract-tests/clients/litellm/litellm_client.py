"""`litellm` as a client of an OpenAI-format server: a tool loop, structured outputs, streams."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import litellm
from pydantic import BaseModel

sys.path.append(str(Path(__file__).resolve().parents[1] / "python"))
from scenarios import HELLO, QUESTION, RESULTS, UNKNOWN_MODEL, Facts, Scenario, main, refusal


class Forecast(BaseModel):
    """The weather of a city."""

    city: str
    degrees: int


def tool(name: str, argument: str) -> dict[str, object]:
    """A function tool with one text."""
    parameters = {"type": "object", "properties": {argument: {"type": "string"}}, "required": [argument]}
    return {"type": "function", "function": {"name": name, "description": name, "parameters": parameters}}


STREAMED = {"stream": True, "stream_options": {"include_usage": True}}
TOOLS = [tool("get_weather", "city"), tool("get_time", "zone")]


def scenarios(url: str, token: str, name: str) -> Mapping[str, Scenario]:
    """What an application does with `completion`."""

    def complete(messages: list[object], model: str = name, **fields: object) -> litellm.ModelResponse:
        return litellm.completion(
            model=f"openai/{model}",
            api_base=url,
            api_key=token,
            num_retries=0,
            max_tokens=200,
            messages=messages,
            **fields,
        )

    def loop(*, streamed: bool) -> Facts:
        history: list[object] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": QUESTION}]
        called: list[str] = []
        total = 0
        for _ in range(3):
            answer = complete(history, tools=TOOLS, **(STREAMED if streamed else {}))
            if streamed:
                answer = litellm.stream_chunk_builder(list(answer), messages=history)
            total += answer.usage.total_tokens
            message = answer.choices[0].message
            history.append(message)
            if not message.tool_calls:
                break
            for call in message.tool_calls:
                called.append(" ".join([call.function.name, *json.loads(call.function.arguments).values()]))
                history.append({"role": "tool", "tool_call_id": call.id, "content": RESULTS[call.function.name]})
        return {"called": sorted(called), "text": history[-1].content, "usage": total}

    def structured() -> Facts:
        answer = complete([{"role": "user", "content": "The weather, please."}], response_format=Forecast)
        return {"value": Forecast.model_validate_json(answer.choices[0].message.content).model_dump()}

    async def stream() -> Facts:
        answer = await litellm.acompletion(
            model=f"openai/{name}", api_base=url, api_key=token, num_retries=0, **STREAMED,
            messages=[{"role": "user", "content": HELLO}],
        )  # fmt: skip
        chunks = [chunk async for chunk in answer]
        pieces = [piece for chunk in chunks if chunk.choices and (piece := chunk.choices[0].delta.content)]
        usage = [used.total_tokens for chunk in chunks if (used := getattr(chunk, "usage", None))]
        return {"text": "".join(pieces), "pieces": len(pieces), "usage": sum(usage)}

    def reasoning() -> Facts:
        message = complete([{"role": "user", "content": "[think] Why?"}]).choices[0].message
        return {"reasoning": message.reasoning_content, "text": message.content}

    return {
        "recording": stream,
        "tools": lambda: loop(streamed=False),
        "streamed tools": lambda: loop(streamed=True),
        "structured natively": structured,
        "stream": stream,
        "reasoning": reasoning,
        "refusal": lambda: refusal(lambda: complete([{"role": "user", "content": HELLO}], model=UNKNOWN_MODEL)),
    }


if __name__ == "__main__":
    main("litellm", scenarios)
