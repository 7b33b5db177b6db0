"""What is charged beside tokens, and by which tier, is what the recorded provider said: in the usage row and the price.

The expectation is read off the recording here, by other code than the adapters'.
"""

import json
from collections.abc import Iterator
from decimal import Decimal

import msgspec
import openai
import pytest
from gateway_fixtures import Mocks
from prices import priced_by
from raw_http import ask, request_bytes
from running_gateway import TOKEN, RunningGateway
from test_gateway_recordings import LANES, Lane, is_streamed, read_through
from upstreams import Recording, Upstream, json_reply
from upstreams.readers.sse import decode
from upstreams.recordings import JsonObject

NAMES = {"standard": "default", "ON_DEMAND": "default", 1: "default"}
PRICES = """
INSERT INTO prices (model_id, meter, tier, amount, per)
SELECT id, meter, tier, amount, 1 FROM models, (VALUES ('input', 'standard', 1), ('input', 'priority', 3),
    ('input', 'flex', 0.5), ('output', 'standard', 0), ('query', 'standard', 1000)) AS v (meter, tier, amount)
 WHERE name IN ('gpt', 'claude', 'gemini', 'cohere-rerank', 'bedrock')
"""


class Charged(msgspec.Struct, frozen=True):
    """The tier in OpenAI's words and the units; None: the provider did not say."""

    tier: str | None = None
    queries: int | None = None
    images: int | None = None
    seconds: int | None = None


def charged_by(recording: Recording) -> Charged:
    """What the provider said."""
    documents = [one for one in decode(recording.body, recording.body_kind).documents if isinstance(one, dict)]
    match recording.dialect:
        case "openai":
            return openai_format(documents)
        case "anthropic" | "vertex":
            return anthropic_format(documents)
        case "google":
            return google_format(documents)
        case _:
            return Charged()


def openai_format(documents: list[JsonObject]) -> Charged:
    tier = queries = seconds = None
    for document in documents:
        tier = document.get("service_tier") or tier
        usage = document.get("usage") or {}
        tools = usage.get("server_tool_use_details") or {}
        for found in (usage.get("num_sources_used"), tools.get("web_search_requests")):
            queries = queries if found is None else found
        seconds = usage.get("prompt_audio_seconds") or seconds
    return Charged(tier, queries, None, seconds)


def anthropic_format(documents: list[JsonObject]) -> Charged:
    merged: JsonObject = {}
    for document in documents:
        usage = document.get("usage") or document.get("message", {}).get("usage") or {}
        merged |= {name: value for name, value in usage.items() if value is not None}
    tier = merged.get("service_tier")
    return Charged(NAMES.get(tier, tier), merged.get("server_tool_use", {}).get("web_search_requests"))


def google_format(documents: list[JsonObject]) -> Charged:
    tier, asked = None, False
    for document in documents:
        usage = document.get("usageMetadata") or {}
        found = usage.get("serviceTier") or usage.get("trafficType")
        tier = NAMES.get(found, found) or tier
        for candidate in document.get("candidates") or ():
            asked |= any((candidate.get("groundingMetadata") or {}).get("webSearchQueries") or ())
    return Charged(tier, 1 if asked else None)  # the gateway's deployments are of the second generation


def charging() -> Iterator[Lane]:
    for lane in LANES:
        if lane.recording.status == 200 and charged_by(lane.recording) != Charged():
            yield lane


CHARGING = [*charging()]


@pytest.mark.parametrize("lane", CHARGING, ids=lambda lane: f"{lane.recording.name}-{lane.model}")
def test_row_has_the_tier_and_the_units_that_the_provider_reported(
    gateway: RunningGateway, mocks: Mocks, lane: Lane
) -> None:
    upstream: Upstream = getattr(mocks, lane.mock)
    upstream.always(lane.recording)
    with openai.OpenAI(base_url=gateway.url, api_key=TOKEN, max_retries=0) as client:
        read_through(client, lane, 1)

    (row,) = gateway.rows(1)
    if row["status"] != 200:  # an error inside the answer
        return
    found = Charged(*(row[name] for name in ("service_tier", "queries", "images", "seconds")))
    assert found == charged_by(lane.recording)


def test_recordings_hold_every_kind_of_charge() -> None:
    """The test above says something of each dialect, streamed and not, and of searches beside tiers."""
    kinds = {(lane.recording.dialect, is_streamed(lane.recording)) for lane in CHARGING}
    searched = {lane.recording.dialect for lane in CHARGING if charged_by(lane.recording).queries}
    assert {("openai", True), ("openai", False), ("anthropic", True), ("anthropic", False)} <= kinds
    assert {("google", True), ("google", False)} <= kinds
    assert {"openai", "anthropic", "google"} <= searched


@pytest.fixture
def priced(gateway: RunningGateway) -> Iterator[RunningGateway]:
    with priced_by(gateway, PRICES):
        yield gateway


def openai_answer(tier: str | None) -> JsonObject:
    message = {"role": "assistant", "content": "Hi"}
    usage = {"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {"id": "x", "object": "chat.completion", "choices": [choice], "usage": usage, "service_tier": tier}


def claude_answer(tier: str | None) -> JsonObject:
    usage = {"input_tokens": 10, "output_tokens": 1, "service_tier": tier}
    return {"type": "message", "id": "x", "model": "c", "stop_reason": "end_turn", "usage": usage} | {
        "content": [{"type": "text", "text": "Hi"}]
    }


def gemini_answer(tier: str | None) -> JsonObject:
    usage = {"promptTokenCount": 10, "candidatesTokenCount": 1, "totalTokenCount": 11, "serviceTier": tier}
    candidate = {"content": {"parts": [{"text": "Hi"}]}, "finishReason": "STOP"}
    return {"candidates": [candidate], "usageMetadata": usage}


ANSWERS = {
    "gpt": ("openai", openai_answer),
    "claude": ("anthropic", claude_answer),
    "gemini": ("google", gemini_answer),
}


@pytest.mark.parametrize("model", ANSWERS)
@pytest.mark.parametrize(
    ("asked", "served", "rate"),
    [("priority", None, 1), ("priority", "standard", 1), (None, "priority", 3), ("flex", "priority", 3)],
)
def test_tier_that_is_charged_is_the_one_that_the_provider_says_it_served(
    priced: RunningGateway, mocks: Mocks, model: str, asked: str | None, served: str | None, rate: int
) -> None:
    mock, answer = ANSWERS[model]
    upstream: Upstream = getattr(mocks, mock)
    upstream.always(json_reply(answer(served)))
    body: JsonObject = {"model": model, "messages": [{"role": "user", "content": "hello"}]}
    if asked is not None:
        body["service_tier"] = asked
    told = ask(priced.port, request_bytes("/v1/chat/completions", json.dumps(body).encode(), token=TOKEN))

    (row,) = priced.rows(1)
    assert told.status == 200
    assert Decimal(told.headers["x-aqueduct-cost"]) == row["cost"] == 10 * rate


def test_searches_are_charged_beside_tokens_and_explained_by_a_price_line(priced: RunningGateway, mocks: Mocks) -> None:
    answer = claude_answer("standard")
    answer["usage"] |= {"server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 5}}
    mocks.anthropic.always(json_reply(answer))
    body = json.dumps({"model": "claude", "messages": [{"role": "user", "content": "hello"}]}).encode()
    told = ask(priced.port, request_bytes("/v1/chat/completions", body, token=TOKEN))

    (row,) = priced.rows(1)
    assert (row["queries"], row["cost"]) == (2, 2010)
    path = f"/v1/requests/{told.headers['x-request-id']}"
    explained = ask(priced.port, request_bytes(path, method="GET", token=TOKEN)).json()
    (attempt,) = explained["attempts"]  # type: ignore[misc]  # JSON
    assert {line["meter"]: line["quantity"] for line in attempt["lines"]} == {
        "input": 10,
        "output": 1,
        "query": 2,
    }
