"""Providers that answer with garbage: a 502 or an error event, the reason in the log, a counted attempt, and no trace.

Wrong types are made from each mock's own answer: each value in turn is replaced by one of another type. What an adapter
does not read may be anything; what it reads must be an answer or a `ProviderError`, never a defect of ours.
"""

import json
import logging
import re
from collections.abc import Callable

import httpx
import msgspec
import pytest
from gateway_fixtures import Mocks
from raw_http import Answer, ask, request_bytes
from running_gateway import TOKEN, RunningGateway
from serving_process import wait_until
from spoiled import Json, changed, opened, paths, spoiled, wrongs
from test_gateway_errors import MOCKS
from upstreams import Fault, Reading, Upstream
from upstreams.dialects.base import Call
from upstreams.readers import read_body
from upstreams.wire import Reply

from aqueduct.observability.request_log import RequestLine

CHAT = "/v1/chat/completions"
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
FAULTS = {
    "html under 200": Fault(page="html"),
    "empty 200": Fault(page="empty"),
    "truncated json": Fault(cut_fraction=0.5),
    "broken json": Fault(corrupt="json"),
    "broken utf-8": Fault(corrupt="utf8"),
}
HARMLESS = {("bedrock", "broken utf-8", False)}
"""The bytes stand in the role, which nobody reads."""


def post(gateway: RunningGateway, model: str, text: str, **fields: object) -> Answer:
    body = {"model": model, "messages": [{"role": "user", "content": text}], **fields}
    return ask(gateway.port, request_bytes(CHAT, json.dumps(body).encode(), token=TOKEN))


def traces(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.exc_info]


def failed_attempts(gateway: RunningGateway) -> float:
    text = httpx.get(gateway.url.removesuffix("/v1") + "/metrics").text
    lines = [line for line in text.splitlines() if line.startswith("aqueduct_upstream_attempts_total{")]
    return sum(float(line.rpartition(" ")[2]) for line in lines if 'outcome="ok"' not in line)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("model", MOCKS)
def test_garbage_is_a_502_or_an_error_event_with_its_reason_in_the_log(
    gateway: RunningGateway,
    mocks: Mocks,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    model: str,
    fault: str,
    *,
    streamed: bool,
) -> None:
    lines: list[RequestLine] = []
    monkeypatch.setattr(gateway.parts.request_log, "put", lines.append)
    before = failed_attempts(gateway)
    upstream: Upstream = getattr(mocks, MOCKS[model])
    upstream.always(None, FAULTS[fault])
    answer = post(gateway, model, "Tell me [text=400] more.", stream=streamed)

    if (model, fault, streamed) in HARMLESS:
        assert (answer.status, answer.json()["choices"][0]["finish_reason"]) == (200, "stop")
        return
    if answer.status == 200:
        assert streamed
        *_, failure, done, rest = answer.body.split(b"\n\n")
        assert (done, rest) == (b"data: [DONE]", b"")
        error = json.loads(failure.removeprefix(b"data: "))["error"]
    else:
        assert answer.status == 502
        error = answer.error()
    assert (error["type"], error["code"]) == ("server_error", "upstream_error")
    row = gateway.rows(1)[0]
    assert str(row["error_kind"]).startswith("provider_")
    assert failed_attempts(gateway) > before
    (line,) = [one for one in lines if one.request_id == str(row["id"])]
    assert line.error_type == row["error_kind"]
    assert line.reason
    assert traces(caplog) == []


def live(upstream: Upstream, call: Call) -> Reply:
    return upstream.dialect.answer(call).reply


@pytest.mark.parametrize("model", MOCKS)
def test_wrong_type_anywhere_in_an_answer_is_no_defect(
    gateway: RunningGateway, mocks: Mocks, caplog: pytest.LogCaptureFixture, model: str
) -> None:
    upstream: Upstream = getattr(mocks, MOCKS[model])
    taken: list[bytes] = []

    def keep(call: Call) -> Reply:
        reply = live(upstream, call)
        taken.append(b"".join(reply.parts))
        return reply

    upstream.script(keep)
    assert post(gateway, model, "Call it. [tools=1]", tools=TOOLS).status == 200
    document = json.loads(taken[0])
    found: list[object] = []
    for number, path in enumerate(paths(document)):
        wrong = wrongs(document, path)[number % 5]
        body = json.dumps(spoiled(document, path, wrong)).encode()
        upstream.always(lambda call, body=body: msgspec.structs.replace(live(upstream, call), parts=(body,)))  # type: ignore[misc]
        answer = post(gateway, model, "Call it. [tools=1]", tools=TOOLS)
        if answer.status not in {200, 502} or b"internal_error" in answer.body:
            found.append((path, wrong, answer.status, answer.body[:200]))
    assert found == []
    assert traces(caplog) == []


def kept_stream(gateway: RunningGateway, upstream: Upstream, model: str) -> Reply:
    """The mock's own stream of an answer with a call."""
    taken: list[Reply] = []

    def keep(call: Call) -> Reply:
        taken.append(live(upstream, call))
        return taken[0]

    upstream.script(keep)
    assert post(gateway, model, "Call it. [tools=1]", tools=TOOLS, stream=True).status == 200
    return taken[0]


def body_kind_of(model: str) -> str:
    return {"bedrock": "aws-eventstream", "ollama-chat": "ndjson"}.get(model, "sse")


@pytest.mark.parametrize("model", MOCKS)
def test_wrong_type_or_unknown_event_anywhere_in_a_stream_is_no_defect(
    gateway: RunningGateway, mocks: Mocks, caplog: pytest.LogCaptureFixture, model: str
) -> None:
    upstream: Upstream = getattr(mocks, MOCKS[model])
    reply = kept_stream(gateway, upstream, model)
    found: list[object] = []
    tried = 0
    for number, raw in enumerate(reply.parts):
        event = opened(raw, body_kind_of(model))
        if event is None:
            continue
        places = list(paths(event.document))
        chosen = places[1 + number * 3 % (len(places) - 1)]
        odd: list[Json] = [spoiled(event.document, chosen, wrongs(event.document, chosen)[number % 5])]
        odd += [{"type": "unheard.of"}, [[], "odd", None, 5][number % 4]]
        for wrong in odd:
            parts = list(reply.parts)
            parts[number] = event.closed(wrong)
            upstream.script(msgspec.structs.replace(reply, parts=tuple(parts)))
            answer = post(gateway, model, "Call it. [tools=1]", tools=TOOLS, stream=True)
            tried += 1
            ends = answer.body.endswith(b"data: [DONE]\n\n") if answer.status == 200 else answer.status == 502
            if not ends or b"internal_error" in answer.body:
                found.append((number, wrong, answer.status, answer.body[-200:]))
    assert found == []
    assert tried >= 6
    assert traces(caplog) == []


def last_event(answer: Answer) -> dict[str, Json]:
    """The event before the end mark."""
    *_, event, done, rest = answer.body.split(b"\n\n")
    assert (done, rest) == (b"data: [DONE]", b"")
    decoded: dict[str, Json] = json.loads(event.removeprefix(b"data: "))
    return decoded


FINISHES = {"finish_reason", "native_finish_reason", "stop_reason", "stopReason", "finishReason", "done_reason"}
UNMAPPED = re.compile(r"^aqueduct_unmapped_finish_reason_total\{[^}]*\} ([0-9.]+)", re.MULTILINE)
"""Of any word: after 64 of them a process counts further ones as others."""
CALL_ID = re.compile(r"(call|toolu|tooluse|fc)_?\w*|f_\w+|g_\w+")


def answer_changed(upstream: Upstream, model: str, change: Callable[[str, Json], Json]) -> None:
    """Let the mock give its next answer, whole or streamed, with other values."""

    def made(call: Call) -> Reply:
        reply = live(upstream, call)
        if not call.streamed:
            body = json.dumps(changed(json.loads(b"".join(reply.parts)), change)).encode()
            return msgspec.structs.replace(reply, parts=(body,))
        events = [(part, opened(part, body_kind_of(model))) for part in reply.parts]
        parts = [part if event is None else event.closed(changed(event.document, change)) for part, event in events]
        return msgspec.structs.replace(reply, parts=tuple(parts))

    upstream.script(made)


def answered(gateway: RunningGateway, model: str, text: str, *, streamed: bool, **fields: Json) -> Reading:
    """What the client is told, whole or streamed."""
    answer = post(gateway, model, text, stream=streamed, **fields)
    return read_body("chat.completions", answer.status, answer.body, "sse" if streamed else "json")


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("model", MOCKS)
def test_unknown_finish_reason_is_a_stop_that_is_counted(
    gateway: RunningGateway, mocks: Mocks, model: str, *, streamed: bool
) -> None:
    before = unmapped_finishes(gateway)

    def odd(name: str, value: Json) -> Json:
        return "unheard_of" if name in FINISHES and value else value

    answer_changed(getattr(mocks, MOCKS[model]), model, odd)
    reading = answered(gateway, model, "Hello", streamed=streamed)

    assert (reading.error, reading.finish) == (None, "stop")
    row = gateway.rows(1)[0]
    assert str(row["native_finish_reason"]).lower() == "unheard_of"
    wait_until(lambda: unmapped_finishes(gateway) > before, 20.0, "the reason is counted")


def unmapped_finishes(gateway: RunningGateway) -> float:
    text = httpx.get(gateway.url.removesuffix("/v1") + "/metrics").text
    return sum(float(number) for number in UNMAPPED.findall(text))


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("model", [model for model in MOCKS if model != "ollama-chat"])  # whose calls have no ids
def test_calls_with_one_id_get_two(gateway: RunningGateway, mocks: Mocks, model: str, *, streamed: bool) -> None:
    replaced: list[Json] = []

    def same(name: str, value: Json) -> Json:
        if name not in {"id", "toolUseId"} or not isinstance(value, str) or not CALL_ID.fullmatch(value):
            return value
        replaced.append(value)
        return "call_same"

    answer_changed(getattr(mocks, MOCKS[model]), model, same)
    tools = [*TOOLS, {**TOOLS[0], "function": {"name": "g"}}]
    answer = post(gateway, model, "Call both. [tools=2]", stream=streamed, tools=tools)

    assert len(replaced) >= 2
    assert list(calls_of(answer, streamed=streamed).values()) == ["f", "g"]


def calls_of(answer: Answer, *, streamed: bool) -> dict[str, str]:
    """Name by id of each call that the client is told."""
    if not streamed:
        choices = [answer.json()["choices"]]
    else:
        events = [event.removeprefix(b"data: ") for event in answer.body.split(b"\n\n")]
        choices = [json.loads(event)["choices"] for event in events if event.startswith(b"{")]
    told = [choice.get("message") or choice["delta"] for found in choices for choice in found]
    calls = [call for one in told for call in one.get("tool_calls") or ()]
    return {call["id"]: call["function"]["name"] for call in calls if "id" in call}
