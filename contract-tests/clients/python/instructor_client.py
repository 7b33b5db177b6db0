"""`instructor`: structured outputs in its modes, a stream of partial objects, and the loop that asks again."""

from collections.abc import Mapping

import instructor
import openai
from pydantic import BaseModel, ValidationInfo, field_validator
from scenarios import UNKNOWN_MODEL, Facts, Scenario, main, refusal

QUESTION = [{"role": "user", "content": "The weather, please."}]


class Forecast(BaseModel):
    """The weather of a city."""

    city: str
    degrees: int


def scenarios(url: str, token: str, name: str) -> Mapping[str, Scenario]:
    """What an application does with the patched client."""

    def client(mode: instructor.Mode) -> instructor.Instructor:
        return instructor.from_openai(openai.OpenAI(base_url=url, api_key=token, max_retries=0), mode=mode)

    def structured(mode: instructor.Mode) -> Facts:
        made = client(mode).chat.completions.create(
            model=name, messages=QUESTION, response_model=Forecast, max_retries=0, max_tokens=200
        )
        return {"value": made.model_dump()}

    def tools() -> Facts:
        """The first answer is refused by a validator: the call's result says why, and the model is asked again."""
        seen: list[int] = []

        class Doubted(Forecast):
            @field_validator("degrees")
            @classmethod
            def doubt_once(cls, value: int, info: ValidationInfo) -> int:
                del info
                seen.append(value)
                if len(seen) == 1:
                    raise ValueError("that is too cold")
                return value

        made, whole = client(instructor.Mode.TOOLS).chat.completions.create_with_completion(
            model=name, messages=QUESTION, response_model=Doubted, max_retries=1, max_tokens=200
        )
        return {"value": made.model_dump(), "asked": len(seen), "usage": whole.usage.total_tokens}

    def recording() -> Facts:
        """Without a model for the answer, the client is the one that it patched."""
        chunks = client(instructor.Mode.TOOLS).chat.completions.create(
            model=name, messages=QUESTION, response_model=None, stream=True
        )
        return {"text": "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)}

    def stream() -> Facts:
        parts = list(
            client(instructor.Mode.TOOLS).chat.completions.create_partial(
                model=name, messages=QUESTION, response_model=Forecast, max_retries=0, max_tokens=200
            )
        )
        return {"value": parts[-1].model_dump(), "pieces": len(parts)}

    return {
        "recording": recording,
        "tools": tools,
        "structured": lambda: structured(instructor.Mode.TOOLS),
        "structured natively": lambda: structured(instructor.Mode.JSON_SCHEMA),
        "stream": stream,
        "refusal": lambda: refusal(
            lambda: client(instructor.Mode.TOOLS).chat.completions.create(
                model=UNKNOWN_MODEL, messages=QUESTION, response_model=Forecast, max_retries=0
            )
        ),
    }


if __name__ == "__main__":
    main("instructor", scenarios)
