"""Lines of requests reach the log in batches, and no reader can stop a request or the process."""

import asyncio
import json
import os
import time

import pytest

from aqueduct.observability import request_log
from aqueduct.observability.request_log import RequestLine, RequestLog


def line(number: int, **values: str) -> RequestLine:
    return RequestLine(
        time="t", request_id=str(number), endpoint="/v1/x", status=200, duration_ms=1.0, overhead_ms=0.5, **values
    )


async def test_request_log_close_writes_every_line_whole_and_in_order() -> None:
    reading, writing = os.pipe()
    unit = RequestLog(writing)
    for number in range(100):
        unit.put(line(number, reason="x" * 100))

    await unit.aclose()
    os.close(writing)

    with os.fdopen(reading, "rb") as reader:
        found = [json.loads(text)["request_id"] for text in reader]
    assert found == [str(number) for number in range(100)]


async def test_request_log_slow_reader_blocks_neither_the_loop_nor_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_log, "FLUSH_S", 0.01)
    monkeypatch.setattr(request_log, "CLOSE_S", 0.3)
    monkeypatch.setattr(request_log, "MAX_HELD_BYTES", 200_000)
    reading, writing = os.pipe()
    unit = RequestLog(writing)
    slowest = 0.0
    for number in range(3000):
        begun = time.perf_counter()
        unit.put(line(number, reason="x" * 200))
        if number % 100 == 0:
            await asyncio.sleep(0.002)
        slowest = max(slowest, time.perf_counter() - begun)

    begun = time.perf_counter()
    await unit.aclose()

    assert time.perf_counter() - begun < 2.0
    assert slowest < 0.5
    await asyncio.sleep(0.25)  # the writer gives up
    os.close(writing)
    os.close(reading)


async def test_request_log_lost_lines_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_log, "MAX_HELD_BYTES", 500)
    reading, writing = os.pipe()
    unit = RequestLog(writing)
    for number in range(20):
        unit.put(line(number))

    await unit.aclose()
    os.close(writing)

    with os.fdopen(reading, "rb") as reader:
        found = [json.loads(text) for text in reader]
    assert found[-1] == {"lost_log_lines": 20 - (len(found) - 1)}


async def test_request_log_reader_that_is_gone_stops_nothing() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    unit = RequestLog(writing)
    unit.put(line(1))

    await unit.aclose()

    os.close(writing)
