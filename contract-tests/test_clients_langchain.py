"""LangChain's standard tests of a chat model, run with `ChatOpenAI` on the gateway in front of each dialect."""

from collections.abc import Iterator

import pytest
from client_programs import Observed, observe
from gateway_fixtures import Mocks
from msgspec import structs
from running_gateway import TOKEN, RunningGateway
from upstreams import Call, Reply, Upstream
from upstreams.recordings import Json, JsonObject

# The first test of a program waits for all of it, on a machine that may be busy.
pytestmark = pytest.mark.timeout(300)
PROGRAM = "python/langchain_standard_tests.py"
MODELS = ("gpt", "claude", "gemini")
LEAST = 48
"""So many tests each model passes; a release of `langchain-tests` may bring more."""
RECORDED = {"test_stream_time": "it times a recorded cassette, not a model"}
NOT_RUN: dict[str, dict[str, str]] = {
    "gpt": RECORDED,
    "claude": {**RECORDED, "test_audio_inputs": "Claude takes no audio"},
    "gemini": RECORDED,
}
ARGUMENTS: dict[str, Json] = {"input": 3, "customer_name": "你好 こんにちは"}
"""What the tests want to see in a call, by the argument's name."""
UNFORCED = "What is the weather in San Francisco, CA?"
"""A question that must be answered with a call although none is forced."""
IN_WORDS = "Return the result as a JSON with 'setup' and 'punchline' keys."
"""A question that describes its schema in words."""
JOKE: JsonObject = {"type": "object", "properties": {"setup": {"type": "string"}, "punchline": {"type": "string"}}}


def understand(upstream: Upstream) -> None:
    """Answer live, and as a model would that understands these tests' questions."""

    def answer(call: Call) -> Reply:
        body = hinted(call.body)
        if IN_WORDS in str(body):
            # Each dialect reads the field that is its own.
            body["response_format"] = {"type": "json_schema", "json_schema": {"schema": JOKE}}
            body["output_config"] = {"format": {"schema": JOKE}}
            body["generationConfig"] = {"responseJsonSchema": JOKE}
        return upstream.dialect.answer(structs.replace(call, body=body)).reply

    upstream.always(answer)


def hinted(body: JsonObject) -> JsonObject:
    """The body with what the tests expect written into its schemas and its question."""

    def hint(value: Json, name: str) -> Json:
        match value:
            case str():
                return f"{value} [tool]" if value == UNFORCED else value
            case list():
                return [hint(item, "") for item in value]
            case dict():
                found = {key: hint(item, key) for key, item in value.items()}
                return {**found, "const": ARGUMENTS[name]} if name in ARGUMENTS and "type" in found else found
            case _:
                return value

    return {name: hint(value, name) for name, value in body.items()}


@pytest.fixture(scope="module")
def observed(session_gateway: RunningGateway, session_mocks: Mocks) -> Iterator[Observed]:
    """How each test ended, for each model."""
    for upstream in session_mocks.all():
        upstream.reset()
        understand(upstream)
    yield observe(PROGRAM, session_gateway.url, TOKEN, MODELS)
    for upstream in session_mocks.all():
        upstream.reset()


@pytest.mark.parametrize("model", MODELS)
def test_chat_model_passes_the_standard_tests(observed: Observed, model: str) -> None:
    outcomes = observed.models[model]

    assert {name: facts["reason"] for name, facts in outcomes.items() if facts["outcome"] == "failed"} == {}
    assert {name for name, facts in outcomes.items() if facts["outcome"] == "skipped"} == set(NOT_RUN[model])
    assert len([name for name, facts in outcomes.items() if facts["outcome"] == "passed"]) >= LEAST


def test_provider_refused_none_of_the_requests(observed: Observed, session_mocks: Mocks) -> None:
    assert [exchange.request.target for upstream in session_mocks.all() for exchange in upstream.refused] == []
    assert [problem for upstream in session_mocks.all() for problem in upstream.problems] == []
