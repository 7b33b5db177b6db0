"""Reranking through the whole gateway: recorded answers, and what clients may ask for."""

import json

import msgspec
import pytest
from gateway_fixtures import Mocks
from raw_http import Answer, ask, request_bytes
from running_gateway import TOKEN, RunningGateway
from upstreams import Fault, Recording, Upstream, claims
from upstreams.wire import json_reply

DOCUMENTS = ["Paris is a city", "Ruby is a language", "a language is learnt"]
MODELS = {"cohere-rerank": "cohere", "llama": "compatible", "openrouter": "openrouter"}


class Lane(msgspec.Struct, frozen=True):
    """One way of a recording through the gateway."""

    recording: Recording
    model: str
    mock: str


def lanes() -> list[Lane]:
    """Every recorded ranking, through every adapter that speaks to its provider."""
    found: list[Lane] = []
    for one in claims.claimed_recordings():
        if one.api != "rerank":
            continue
        if one.provider == "cohere":
            found.append(Lane(one, "cohere-rerank", "cohere"))
            continue
        found.append(Lane(one, "on-llamacpp" if one.provider == "llamacpp" else "on-default", "compatible"))
        if one.provider == "openrouter":
            found.append(Lane(one, "openrouter", "openrouter"))
    return found


def rerank(gateway: RunningGateway, model: str, path: str = "/v1/rerank", **fields: object) -> Answer:
    body = {"model": model, "query": "a language", "documents": DOCUMENTS, **fields}
    return ask(gateway.port, request_bytes(path, json.dumps(body).encode(), token=TOKEN))


@pytest.fixture(params=list(MODELS))
def model(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.mark.replay
@pytest.mark.parametrize("lane", lanes(), ids=lambda lane: f"{lane.recording.name}-{lane.model}")
def test_recorded_ranking_means_the_same_through_the_gateway(gateway: RunningGateway, mocks: Mocks, lane: Lane) -> None:
    recording = lane.recording
    upstream: Upstream = getattr(mocks, lane.mock)
    upstream.always(recording)
    said = json.loads(recording.body)

    answer = rerank(gateway, lane.model, documents=["one"] * 10)

    if recording.status >= 400:
        assert answer.status == 400
        assert said["error"]["message"] in str(answer.error()["message"])
        return
    assert answer.status == 200
    told = answer.json()
    results = said.get("results") or said["data"]
    wanted = sorted(((one["index"], one["relevance_score"]) for one in results), key=lambda one: -one[1])
    assert [(one["index"], one["relevance_score"]) for one in told["results"]] == wanted  # type: ignore[attr-defined]  # JSON
    row = gateway.rows(1)[0]
    total = said.get("usage", {}).get("total_tokens")
    if total is None:
        units = said["meta"]["billed_units"]["search_units"]
        assert told["meta"] == {"billed_units": {"search_units": units}}
        assert (row["queries"], row["usage_source"]) == (units, "provider_partial")
    else:
        assert told["usage"] == {"prompt_tokens": total, "total_tokens": total}
        assert (row["prompt_tokens"], row["usage_source"]) == (total, "provider")


@pytest.mark.parametrize("path", ["/v1/rerank", "/rerank"])
def test_best_documents_come_first_with_their_texts_where_asked_for(
    gateway: RunningGateway, model: str, path: str
) -> None:
    answer = rerank(gateway, model, path, documents=[DOCUMENTS[0], {"text": DOCUMENTS[1]}], return_documents=True)

    assert answer.status == 200
    told = answer.json()
    assert told["model"] == model
    assert told["results"] == [
        {"index": 1, "relevance_score": 1.0, "document": {"text": DOCUMENTS[1]}},
        {"index": 0, "relevance_score": 0.5, "document": {"text": DOCUMENTS[0]}},
    ]


def test_only_as_many_as_asked_for_come_back_without_texts(gateway: RunningGateway, model: str) -> None:
    told = rerank(gateway, model, top_n=1).json()

    assert told["results"] == [{"index": 1, "relevance_score": 1.0}]


def test_fields_that_a_provider_does_not_know_are_named(gateway: RunningGateway, model: str) -> None:
    answer = rerank(gateway, model, user="someone", max_tokens_per_doc=100)

    dropped = set(answer.headers["x-aqueduct-dropped-params"].split(","))
    assert dropped == ({"user"} if model == "cohere-rerank" else {"user", "max_tokens_per_doc"})


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"documents": []}, "documents"),
        ({"documents": ["x"] * 10_001}, "documents"),
        ({"documents": [1]}, "documents[0]"),
        ({"query": ""}, "query"),
        ({"query": None}, "query"),
        ({"top_n": 0}, "top_n"),
    ],
    ids=str,
)
def test_wrong_request_is_refused_with_its_field(
    gateway: RunningGateway, mocks: Mocks, fields: dict[str, object], param: str
) -> None:
    answer = rerank(gateway, "cohere-rerank", **fields)

    assert (answer.status, answer.error()["param"]) == (400, param)
    assert mocks.cohere.ledger == []


def test_model_that_does_not_rerank_and_one_that_does_nothing_else_say_so(gateway: RunningGateway) -> None:
    chat = {"model": "cohere-rerank", "messages": [{"role": "user", "content": "x"}]}
    refused = ask(gateway.port, request_bytes("/v1/chat/completions", json.dumps(chat).encode(), token=TOKEN))

    assert rerank(gateway, "claude").error()["code"] == "unsupported_operation"
    assert refused.status in {400, 404}


@pytest.mark.parametrize(
    "results",
    [
        [{"index": 3, "relevance_score": 0.5}],
        [{"index": -1, "relevance_score": 0.5}],
        [{"index": 0, "relevance_score": 0.5}, {"index": 0, "relevance_score": 0.4}],
        [{"index": 0}],
        [],
        "none",
    ],
    ids=str,
)
def test_ranking_of_documents_that_nobody_sent_is_a_bad_answer(
    gateway: RunningGateway, mocks: Mocks, model: str, results: object
) -> None:
    upstream: Upstream = getattr(mocks, MODELS[model])
    upstream.always(json_reply({"id": "x", "results": results}))

    answer = rerank(gateway, model)

    assert (answer.status, answer.error()["code"]) == (502, "upstream_error")


def test_failing_provider_is_told_as_everywhere(gateway: RunningGateway, mocks: Mocks, model: str) -> None:
    upstream: Upstream = getattr(mocks, MODELS[model])
    upstream.always(None, Fault(error=401))

    assert rerank(gateway, model).error()["code"] == "upstream_credentials"
