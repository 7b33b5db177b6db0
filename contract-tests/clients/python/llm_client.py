"""`llm`: models from its own file of OpenAI-format servers, with tools, a schema and streams."""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

FOLDER = Path(tempfile.mkdtemp(prefix="llm-"))
os.environ["LLM_USER_PATH"] = str(FOLDER)

import llm  # noqa: E402 - it reads its folder's name when it is imported
from pydantic import BaseModel  # noqa: E402 - after the variable, as above
from scenarios import HELLO, QUESTION, RESULTS, UNKNOWN_MODEL, Facts, Scenario, main, refusal  # noqa: E402 - as above

MODEL = """
- model_id: mine-{name}
  model_name: {name}
  api_base: {url}
  api_key_name: aqueduct
  supports_tools: true
  supports_schema: true
"""


class Forecast(BaseModel):
    """The weather of a city."""

    city: str
    degrees: int


def scenarios(url: str, token: str, name: str) -> Mapping[str, Scenario]:
    """What an application does with the library; the command line stands on the same."""
    (FOLDER / "extra-openai-models.yaml").write_text(
        "".join(MODEL.format(name=one, url=url) for one in (name, UNKNOWN_MODEL))
    )

    (FOLDER / "keys.json").write_text(json.dumps({"aqueduct": token}))

    def model(name: str = name) -> llm.Model:
        return llm.get_model(f"mine-{name}")

    def tools(*, streamed: bool) -> Facts:
        called: list[str] = []

        def get_weather(city: str) -> str:
            """The weather in a city."""
            called.append(f"get_weather {city}")
            return RESULTS["get_weather"]

        def get_time(zone: str) -> str:
            """The time in a zone."""
            called.append(f"get_time {zone}")
            return RESULTS["get_time"]

        chain = model().chain(QUESTION, system="Be brief.", tools=[get_weather, get_time], stream=streamed)
        text, total = "", 0
        for response in chain.responses():
            text = "".join(response)
            total += response.usage().input + response.usage().output
        return {"called": sorted(called), "text": text, "usage": total}

    def structured() -> Facts:
        text = model().prompt("The weather, please.", schema=Forecast, stream=False).text()
        return {"value": Forecast.model_validate_json(text).model_dump()}

    def stream() -> Facts:
        response = model().prompt(HELLO)
        pieces = [piece for piece in response if piece]
        usage = response.usage()
        return {"text": "".join(pieces), "pieces": len(pieces), "usage": usage.input + usage.output}

    return {
        "recording": stream,
        "tools": lambda: tools(streamed=False),
        "streamed tools": lambda: tools(streamed=True),
        "structured natively": structured,
        "stream": stream,
        "refusal": lambda: refusal(lambda: model(UNKNOWN_MODEL).prompt(HELLO).text()),
    }


if __name__ == "__main__":
    main("llm", scenarios)
