"""Behaviours of usage, of embeddings, of model discovery and of clients that leave, for every adapter."""

import base64
import json
import struct

from matrix import CLAUDE, GEMINI, Talk, behaviour, each, tool
from raw_http import Connection, request_bytes
from running_gateway import TOKEN
from upstreams import Fault
from upstreams.live import vector

from adapters import registry
from adapters.base import Call, Deployment, Secret, SupportsModelDiscovery
from adapters.http1 import Http1Transport

QUESTION = "[think] What does it carry?"
LOOK = tool("look", {"type": "object", "properties": {"at": {"type": "string"}}})


@behaviour("usage.whole", "Prompt, completion and total are what the provider reported")
def test_usage_whole(talk: Talk) -> None:
    usage, reported = talk.ask(QUESTION).usage, talk.upstream.ledger[-1].usage

    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (reported.prompt, reported.completion)
    assert usage["total_tokens"] == reported.prompt + reported.completion


@behaviour("usage.streamed", "A stream reports the same usage as the whole answer")
def test_usage_streamed(talk: Talk) -> None:
    assert talk.stream(QUESTION).chunks[-1]["usage"] == talk.ask(QUESTION).usage


@behaviour("usage.tools", "Whole and streamed usage are the same with tool calls too")
def test_usage_tools(talk: Talk) -> None:
    whole = talk.ask("[tools=2] Look", tools=[LOOK]).usage

    assert talk.stream("[tools=2] Look", tools=[LOOK]).chunks[-1]["usage"] == whole


@behaviour("usage.details", "No detail exceeds its total")
def test_usage_details(talk: Talk) -> None:
    usage = talk.ask(f"{QUESTION} [cached=4]", reasoning_effort="high", max_tokens=4000).usage

    for side in ("prompt", "completion"):
        details = usage.get(f"{side}_tokens_details") or {}
        assert all(value is None or 0 <= value <= usage[f"{side}_tokens"] for value in details.values())


NO_WRITES = {
    **each("Gemini bills the storage of caches, not the writing, and does not count it.", *GEMINI),
    **each("The provider bills no cache writes and does not count them.", "cohere", "mistral", "ollama"),
}
LIFETIMES = frozenset(CLAUDE)
"""Subjects whose providers tell the writes for an hour, at another price, from those for five minutes."""


@behaviour(
    "usage.cache_write",
    "Tokens written to the cache are told and booked, as a part of the prompt, whole and streamed",
    unsupported=NO_WRITES,
)
def test_usage_cache_write(talk: Talk) -> None:
    talk.gateway.forget_rows()
    said = "Read this long text [cached=2] with a breakpoint [written=12] that stays for an hour [written_1h=5]."
    told = [talk.ask(said).usage, talk.stream(said).chunks[-1]["usage"]]

    rows, reported = talk.gateway.rows(2), talk.upstream.ledger[-1].usage
    written = None if talk.unsupported else 12
    assert [(usage.get("prompt_tokens_details") or {}).get("cache_write_tokens") for usage in told] == [written] * 2
    assert [row["cache_write_tokens"] for row in rows] == [written] * 2
    assert {usage["prompt_tokens"] for usage in told} == {row["prompt_tokens"] for row in rows} == {reported.prompt}
    for_an_hour = 5 if talk.subject.name in LIFETIMES else None
    assert [row["cache_write_1h_tokens"] for row in rows] == [for_an_hour] * 2
    assert [row["violations"] for row in rows] == [[], []]


@behaviour("usage.recorded", "What the client is told is what is booked, once, whole and streamed")
def test_usage_recorded(talk: Talk) -> None:
    talk.gateway.forget_rows()
    usage = talk.ask(QUESTION).usage
    talk.stream(QUESTION)

    rows = talk.gateway.rows(2)
    assert {row["usage_source"] for row in rows} == {"provider"}
    assert {(row["prompt_tokens"], row["completion_tokens"]) for row in rows} == {
        (usage["prompt_tokens"], usage["completion_tokens"])
    }


@behaviour("usage.raw", "The provider's own counters are kept as they came, whole and streamed")
def test_usage_raw(talk: Talk) -> None:
    talk.gateway.forget_rows()
    talk.ask(QUESTION)
    talk.stream(QUESTION)

    reported = talk.upstream.ledger[-1].usage
    for row in talk.gateway.rows(2):
        assert reported.prompt in numbers(json.loads(str(row["raw_usage"])))
        assert row["violations"] == []


def numbers(value: object) -> set[int]:
    """The whole numbers in a document."""
    if isinstance(value, dict | list):
        items = value.values() if isinstance(value, dict) else value
        return {number for item in items for number in numbers(item)}
    return {value} if isinstance(value, int) else set()


@behaviour("usage.cut_stream", "A stream that breaks off is booked as partial, with what was known")
def test_usage_cut_stream(talk: Talk) -> None:
    talk.gateway.forget_rows()
    talk.upstream.script(None, fault=Fault(cut_after=5))
    talk.stream("[text=400]")

    (row,) = talk.gateway.rows(1)
    assert row["usage_source"] in {"provider_partial", "estimated"}


NO_EMBEDDINGS = each("Anthropic has no embeddings.", "anthropic", "vertex-claude")


def refused(talk: Talk) -> bool:
    """Whether the provider has no embeddings; then the gateway must have said so."""
    if talk.unsupported is None:
        return False
    heard = talk.embed("one")
    assert heard.answer.status in {400, 404}
    assert talk.upstream.ledger == []
    return True


def vectors_of(talk: Talk, given: object, **fields: object) -> list[object]:
    answer = talk.embed(given, **fields).answer
    assert answer.status == 200, answer.body
    body = answer.json()
    assert body["object"] == "list"
    assert [entry["index"] for entry in body["data"]] == list(range(len(body["data"])))
    return [entry["embedding"] for entry in body["data"]]


@behaviour("embeddings.float", "A text gives its vector as numbers", unsupported=NO_EMBEDDINGS)
def test_embeddings_float(talk: Talk) -> None:
    if not refused(talk):
        assert vectors_of(talk, "one", encoding_format="float") == [vector("one", 8)]


@behaviour("embeddings.base64", "`base64` gives 32-bit floats, little end first", unsupported=NO_EMBEDDINGS)
def test_embeddings_base64(talk: Talk) -> None:
    if refused(talk):
        return
    (packed,) = vectors_of(talk, "one", encoding_format="base64")
    assert list(struct.unpack("<8f", base64.b64decode(str(packed)))) == vector("one", 8)


@behaviour("embeddings.batch", "Several texts give their vectors in order", unsupported=NO_EMBEDDINGS)
def test_embeddings_batch(talk: Talk) -> None:
    if not refused(talk):
        assert vectors_of(talk, ["one", "two", "three"]) == [vector(text, 8) for text in ("one", "two", "three")]


@behaviour(
    "embeddings.many", "More texts than the provider takes at once are sent in batches", unsupported=NO_EMBEDDINGS
)
def test_embeddings_many(talk: Talk) -> None:
    if not refused(talk):
        texts = [f"text {number}" for number in range(120)]
        assert vectors_of(talk, texts) == [vector(text, 8) for text in texts]


@behaviour("embeddings.dimensions", "`dimensions` reaches the provider", unsupported=NO_EMBEDDINGS)
def test_embeddings_dimensions(talk: Talk) -> None:
    if not refused(talk):
        assert vectors_of(talk, "one", dimensions=4) == [vector("one", 4)]


@behaviour("embeddings.usage", "The tokens of all texts are counted", unsupported=NO_EMBEDDINGS)
def test_embeddings_usage(talk: Talk) -> None:
    if refused(talk):
        return
    usage = talk.embed(["one", "twenty-two"]).answer.json()["usage"]
    assert usage["prompt_tokens"] == usage["total_tokens"] == 4


NO_LIST = each("Vertex AI's v1 has no list of models.", "vertex-gemini", "vertex-claude")


@behaviour("models.discovery", "The provider's models are listed", unsupported=NO_LIST)
async def test_models_discovery(talk: Talk) -> None:
    transport = Http1Transport()
    try:
        adapter = registry.build(talk.subject.adapter, transport)
        if talk.unsupported:
            assert not isinstance(adapter, SupportsModelDiscovery)
            return
        assert isinstance(adapter, SupportsModelDiscovery)
        deployment = Deployment(
            id="d", model="m", provider="p", adapter=talk.subject.adapter, upstream_model="u",
            base_url=talk.upstream.url + talk.subject.base_path, credential=Secret(talk.upstream.dialect.key),
        )  # fmt: skip
        found = await adapter.list_models(Call(deployment=deployment, request_id="r", deadline=1e12))
    finally:
        await transport.aclose()
    assert len(found) >= 2
    assert list(found) == sorted(found)


@behaviour("disconnect.stream", "When the client leaves, the provider's stream is closed and what was got is booked")
def test_disconnect_stream(talk: Talk) -> None:
    talk.gateway.forget_rows()
    talk.upstream.script(None, fault=Fault(stall_after=6))
    body = {
        "model": talk.subject.name,
        "messages": [{"role": "user", "content": "[text=400]"}],
        "stream": True,
        "max_tokens": 200,
    }
    with Connection(talk.gateway.port) as connection:
        connection.send(request_bytes("/v1/chat/completions", json.dumps(body).encode(), token=TOKEN))
        connection.read_until(b"aqueduct")

    talk.upstream.wait_for(lambda: talk.upstream.exchanges[-1].client_closed_at is not None, timeout_s=20)
    (row,) = talk.gateway.rows(1)
    assert row["usage_source"] in {"provider_partial", "estimated"}
