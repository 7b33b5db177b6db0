"""Runs one client's scenarios over several models and prints what it saw as JSON; it must not know any client.

A client's script calls `main` with a function that makes its scenarios: `scenarios(url, token, model)` returns a name
and a callable for each. What a scenario raises is a fact too, so that one failure does not hide the others.
"""

import asyncio
import inspect
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import version

Facts = dict[str, object]
Scenario = Callable[[], Facts | Awaitable[Facts]]
QUESTION = "[tools=2] Weather in Rome?"
HELLO = "One two three four five."
RESULTS = {"get_weather": "22 degrees", "get_time": "noon"}
UNKNOWN_MODEL = "no-such-model"


def main(package: str, scenarios: Callable[[str, str, str], Mapping[str, Scenario]]) -> None:
    """Run every scenario for every model that the command line names after the URL and the token."""
    url, token, *models = sys.argv[1:]
    # One event loop for all of them, as an application has it: clients keep their connections.
    with asyncio.Runner() as runner:
        facts = {
            model: {name: run(one, runner) for name, one in scenarios(url, token, model).items()} for model in models
        }
    sys.stdout.write(json.dumps({"version": version(package), "models": facts}) + "\n")


def run(scenario: Scenario, runner: asyncio.Runner) -> Facts:
    """The facts of one scenario, or what it raised."""
    try:
        facts = scenario()
        return runner.run(awaited(facts)) if inspect.isawaitable(facts) else facts
    except Exception as error:  # noqa: BLE001 - the facts of this scenario; the test fails on them
        return {"raised": f"{type(error).__name__}: {error}"}


async def awaited(facts: Awaitable[Facts]) -> Facts:
    """What a runner wants: a coroutine."""
    return await facts


async def refusal(call: Callable[[], object]) -> Facts:
    """How a client tells that the gateway refused: the error's class and what it says of it."""
    try:
        answer = call()
        if inspect.isawaitable(answer):
            await answer
    except Exception as error:  # noqa: BLE001 - each client has its own class of error
        return {"error": type(error).__name__, "status": getattr(error, "status_code", None), "text": str(error)}
    return {"error": None}
