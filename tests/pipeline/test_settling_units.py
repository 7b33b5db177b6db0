"""What is charged beside tokens is booked of answers that nobody waited for, as far as it is known."""

import asyncio
import base64
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aqueduct.api.chat import CHAT
from aqueduct.api.rerank import RERANK
from aqueduct.usage.pricing import Price, PriceList
from schemas.usage import Usage
from tests.media.test_length import wav
from tests.pipeline.drivers import DEPLOYMENT, Adapter, Run, Stream, waiting

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
SECOND, QUERY = 10, 1_000
UNITS = PriceList([Price("second", SECOND, LONG_AGO), Price("query", QUERY, LONG_AGO)])
TOKENS = PriceList([Price("input", 1, LONG_AGO)])


def recording(*lengths: float) -> str:
    parts = [
        {"type": "input_audio", "input_audio": {"data": base64.b64encode(wav(one)).decode(), "format": "wav"}}
        for one in lengths
    ]
    return json.dumps(
        {"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": "x"}, *parts]}]}
    )


def documents(*texts: str) -> str:
    return json.dumps({"model": "m", "query": "q", "documents": texts})


async def left(body: str, prices: PriceList | None, spec: object = CHAT) -> Usage:
    waits = asyncio.Event()
    run = Run(Adapter(waiting(waits)), body=body, prices=prices, spec=spec)
    await run.cancelled(run.whole, waits)
    assert run.settled is not None
    assert run.settled.source == "estimated"
    rates = {} if prices is None else prices.rates(LONG_AGO, "standard", 0)
    expected = (run.settled.seconds or 0) * rates.get("second", 0) + (run.settled.queries or 0) * rates.get("query", 0)
    assert (run.context.cost or 0) == expected + (run.settled.prompt_tokens or 0) * rates.get("input", 0)
    return run.settled


async def test_recordings_of_a_request_that_is_left_are_booked_by_their_length() -> None:
    assert (await left(recording(1.5, 2.5), UNITS)).seconds == 2 + 3


async def test_recording_that_is_longer_than_its_model_takes_is_booked_at_its_bound() -> None:
    assert (await left(recording(100), UNITS)).seconds == DEPLOYMENT.max_seconds


@pytest.mark.parametrize("prices", [None, TOKENS])
async def test_recording_that_is_not_charged_by_the_second_is_not_counted(prices: PriceList | None) -> None:
    assert (await left(recording(1.5), prices)).seconds is None


async def test_request_without_recordings_has_no_seconds() -> None:
    usage = await left('{"model":"m","messages":[{"role":"user","content":"x"}]}', UNITS)
    assert (usage.seconds, usage.queries) == (None, None)


async def test_documents_of_a_request_that_is_left_are_booked_as_search_units() -> None:
    assert (await left(documents(*["x"] * 101), UNITS, RERANK)).queries == 2


async def test_documents_of_an_answer_without_usage_are_booked_as_search_units() -> None:
    run = Run(Adapter(Usage()), body=documents("x"), prices=UNITS, spec=RERANK)
    await run.whole()
    assert run.settled is not None
    assert (run.settled.queries, run.settled.source, run.context.cost) == (1, "estimated", QUERY)


@pytest.mark.parametrize("reported", [Usage(queries=7), Usage(queries=0), Usage(prompt_tokens=3)])
async def test_documents_of_an_answer_with_usage_are_booked_as_reported(reported: Usage) -> None:
    run = Run(Adapter(reported), body=documents("x"), prices=UNITS, spec=RERANK)
    await run.whole()
    assert run.settled is not None
    assert run.settled.queries == reported.queries


@given(st.lists(st.text(max_size=2000), min_size=1, max_size=130), st.text(min_size=1, max_size=900))
def test_estimate_of_search_units_is_never_above_what_is_reserved(texts: list[str], query: str) -> None:
    request = RERANK.request_type(model="m", query=query, documents=texts)
    assert RERANK.taken is not None
    assert (RERANK.taken(request, 0).queries or 0) <= RERANK.units(request).queries


async def test_stream_that_is_left_before_its_content_has_what_it_showed_and_what_the_request_tells() -> None:
    waits = asyncio.Event()
    shown = Usage(prompt_tokens=3, queries=2, source="provider_partial")
    run = Run(Adapter(Stream(waiting(waits), usage=shown)), body=recording(1.5), prices=UNITS)
    await run.cancelled(run.stream, waits)
    assert run.settled is not None
    assert (run.settled.seconds, run.settled.queries, run.settled.source) == (2, 2, "provider_partial")
    assert run.context.cost == 2 * SECOND + 2 * QUERY
