"""Clients that others wrote, each in its own environment, through the gateway to a provider of each dialect.

A client's program runs all its scenarios for all models at once; every fact that it printed is a test here. The first
answer of each model is a recorded one, the others are the mocks' own.
"""

import json
import re
import subprocess
from collections.abc import Callable, Iterator

import msgspec
import pytest
from client_programs import FOLDER, Observed, observe
from gateway_fixtures import Mocks
from running_gateway import TOKEN, RunningGateway
from upstreams import Recording, Upstream, recordings
from upstreams.readers import read

# The first test of a program waits for all of it, on a machine that may be busy.
pytestmark = pytest.mark.timeout(300)
ROOT = FOLDER.parents[1]
MODELS = ("gpt", "claude", "gemini")
RECORDED = {
    "gpt": ("chat.completions", "openai"),
    "claude": ("messages", "anthropic"),
    "gemini": ("streamGenerateContent", "gemini"),
}
ALWAYS = ("recording", "tools", "stream", "refusal")
AGENT = (*ALWAYS, "streamed tools")
VERCEL = (*AGENT, "structured natively", "streamed structure")
CLIENTS: dict[str, tuple[str, ...]] = {
    "node/openai_client.mjs": (*AGENT, "structured natively"),
    "node/openai_7_client.mjs": (*AGENT, "structured natively"),
    "node/vercel_openai_client.mjs": VERCEL,
    "node/vercel_7_openai_client.mjs": VERCEL,
    "node/vercel_compatible_client.mjs": (*VERCEL, "reasoning"),
    "node/vercel_7_compatible_client.mjs": (*VERCEL, "reasoning"),
    "python/langchain_client.py": (*AGENT, "structured", "structured natively"),
    "python/pydantic_ai_client.py": (*AGENT, "structured", "structured natively", "reasoning"),
    "python/openai_agents_client.py": (*AGENT, "structured"),
    "python/instructor_client.py": (*ALWAYS, "structured", "structured natively"),
    "python/llm_client.py": (*AGENT, "structured natively"),
    "litellm/litellm_client.py": (*AGENT, "structured natively", "reasoning"),
}
"""Each program and the scenarios that it has, by name; a structured output is a forced tool or a `response_format`."""
FORECAST = {"city": "x", "degrees": 1}
HELLO_ANSWER = "You said: One two three four five."
HELLO_TOKENS = 6 + 9
Facts = dict[str, object]


class Run(msgspec.Struct, frozen=True):
    """A program's facts, and what the other side saw of the same run."""

    observed: Observed
    recorded: dict[str, Recording]
    bodies: dict[str, list[str]]
    """The JSON of each request that a model's provider answered."""
    problems: list[str]
    refused: list[str]
    rows: list[dict[str, object]]


@pytest.fixture(scope="module")
def run(session_gateway: RunningGateway, session_mocks: Mocks) -> Callable[[str], Run]:
    """Runs a program when its facts are first asked for, and once, also where it fails."""
    runs: dict[str, Run | Exception] = {}

    def once(program: str) -> Run:
        if program not in runs:
            try:
                runs[program] = run_now(program, session_gateway, session_mocks)
            except (AssertionError, subprocess.TimeoutExpired) as error:
                runs[program] = error
        done = runs[program]
        if isinstance(done, Exception):
            raise done
        return done

    return once


def run_now(program: str, gateway: RunningGateway, mocks: Mocks) -> Run:
    """Run a program; its first request to each model gets a recording."""
    upstreams: dict[str, Upstream] = {"gpt": mocks.openai, "claude": mocks.anthropic, "gemini": mocks.google}
    for upstream in mocks.all():
        upstream.reset()
    gateway.forget_rows()
    recorded = {model: recorded_stream(*RECORDED[model]) for model in MODELS}
    for model, upstream in upstreams.items():
        upstream.script(recorded[model])
    observed = observe(program, gateway.url, TOKEN, MODELS)
    bodies = {model: [json.dumps(entry.call.body) for entry in upstreams[model].ledger] for model in MODELS}
    return Run(
        observed=observed,
        recorded=recorded,
        bodies=bodies,
        problems=[problem for upstream in mocks.all() for problem in upstream.problems],
        refused=[exchange.request.target for upstream in mocks.all() for exchange in upstream.refused],
        rows=gateway.rows(sum(map(len, bodies.values())) + len(MODELS)),  # one for each refusal
    )


def recorded_stream(api: str, provider: str) -> Recording:
    """The first recorded stream of a provider that is a plain text of several words."""
    for candidate in recordings(api, provider=provider, streamed=True, status=200):
        meaning = read(candidate)
        if meaning.finish == "stop" and " " in meaning.text and not meaning.tool_calls and not meaning.others:
            return candidate
    raise LookupError(f"no recorded stream of {provider} is a plain text")


def scenarios() -> Iterator[object]:
    """Each program, model and scenario."""
    for program, names in CLIENTS.items():
        for model in MODELS:
            for scenario in names:
                # OpenAI's own chat API never says what a model has thought.
                if (model, scenario) != ("gpt", "reasoning"):
                    yield pytest.param(program, model, scenario, id=f"{program.partition('/')[2]}-{model}-{scenario}")


@pytest.mark.parametrize(("program", "model", "scenario"), [*scenarios()])
def test_client(run: Callable[[str], Run], program: str, model: str, scenario: str) -> None:
    done = run(program)
    facts = done.observed.models[model].get(scenario)
    assert facts is not None, "the program has no such scenario"
    assert "raised" not in facts

    CHECKS[scenario](facts, done, model, program)


def check_recording(facts: Facts, done: Run, model: str, program: str) -> None:
    assert facts["text"] == read(done.recorded[model]).text


def check_tools(facts: Facts, done: Run, model: str, program: str) -> None:
    if "instructor" in program:  # it has no tools to run: what it sends back is why an answer was not valid
        assert facts == {"value": FORECAST, "asked": 2, "usage": facts["usage"]}
        assert any("that is too cold" in body for body in done.bodies[model])
        return
    assert facts["called"] == ["get_time x", "get_weather x"]
    assert "The tool says: " in str(facts["text"])
    assert "noon" in str(facts["text"])
    assert isinstance(facts["usage"], int)
    assert facts["usage"] > HELLO_TOKENS
    with_results = [body for body in done.bodies[model] if "22 degrees" in body and "noon" in body]
    streamed = "streamed tools" in done.observed.models[model]
    assert len(with_results) == (2 if streamed else 1), "both results reach the provider in one request each time"


def check_streamed_tools(facts: Facts, done: Run, model: str, program: str) -> None:
    check_tools(facts, done, model, program)
    whole = done.observed.models[model]["tools"]
    assert {name: facts[name] for name in ("called", "text", "usage")} == {
        name: whole[name] for name in ("called", "text", "usage")
    }


def check_structure(facts: Facts, done: Run, model: str, program: str) -> None:
    assert facts["value"] == FORECAST


def check_stream(facts: Facts, done: Run, model: str, program: str) -> None:
    assert isinstance(facts["pieces"], int)
    assert facts["pieces"] > 1
    if "instructor" in program:  # its streams are of partial objects
        assert facts["value"] == FORECAST
        return
    assert facts["text"] == HELLO_ANSWER
    assert facts["usage"] == HELLO_TOKENS


def check_reasoning(facts: Facts, done: Run, model: str, program: str) -> None:
    assert facts == {"reasoning": "Thinking about: [think] Why?", "text": "You said: [think] Why?"}


def check_refusal(facts: Facts, done: Run, model: str, program: str) -> None:
    assert facts["error"]
    assert facts["status"] == (None if "instructor" in program else 404)
    assert "'no-such-model' does not exist or you do not have access to it" in str(facts["text"])


CHECKS: dict[str, Callable[[Facts, Run, str, str], None]] = {
    "recording": check_recording,
    "tools": check_tools,
    "streamed tools": check_streamed_tools,
    "structured": check_structure,
    "structured natively": check_structure,
    "streamed structure": check_structure,
    "stream": check_stream,
    "reasoning": check_reasoning,
    "refusal": check_refusal,
}


@pytest.mark.parametrize("program", CLIENTS)
def test_nothing_that_a_client_asks_is_refused_by_a_provider_and_all_of_it_is_booked(
    run: Callable[[str], Run], program: str
) -> None:
    done = run(program)

    assert done.problems == []
    assert done.refused == []
    answered = [row for row in done.rows if row["status"] == 200]
    assert len(answered) == len(done.rows) - len(MODELS)
    assert {row["usage_source"] for row in answered} == {"provider"}
    assert {row["status"] for row in done.rows} == {200, 404}


@pytest.mark.parametrize("program", CLIENTS)
def test_page_of_clients_names_the_version_that_was_run(run: Callable[[str], Run], program: str) -> None:
    page = (ROOT / "docs" / "clients.md").read_text("utf-8")

    assert re.search(rf"\b{re.escape(run(program).observed.version)}\b", page)
