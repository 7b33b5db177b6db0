"""Providers that answer with garbage: a 502 or an error event, the reason in the log, a counted attempt, and no trace.

Wrong types are made from each mock's own answer: each value in turn is replaced by one of another type. What an adapter
does not read may be anything; what it reads must be an answer or a `ProviderError`, never a defect of ours.
"""

import json
import logging
import re
from collections.abc import Callable, Iterator

import httpx
import msgspec
import pytest
from gateway_fixtures import Mocks
from raw_http import Answer, ask, request_bytes
from running_gateway import TOKEN, RunningGateway
from serving_process import wait_until
from test_gateway_errors import MOCKS
from upstreams import Fault, Upstream
from upstreams.dialects.base import Call
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
SSE = {model: mock for model, mock in MOCKS.items() if model not in {"bedrock", "ollama-chat"}}
Json = object
Path = tuple[str | int, ...]


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


def paths(document: Json, path: Path = ()) -> Iterator[Path]:
    """Every place in a document, the whole of it first."""
    yield path
    if isinstance(document, dict):
        for name, value in document.items():
            yield from paths(value, (*path, name))
    elif isinstance(document, list):
        for index, value in enumerate(document):
            yield from paths(value, (*path, index))


def spoiled(document: Json, path: Path, wrong: Json) -> Json:
    """The document with something else at a place."""
    if not path:
        return wrong
    head, *rest = path
    if isinstance(document, dict):
        return {name: spoiled(value, (*rest,), wrong) if name == head else value for name, value in document.items()}
    assert isinstance(document, list)
    return [spoiled(value, (*rest,), wrong) if index == head else value for index, value in enumerate(document)]


def wrongs(document: Json, path: Path) -> list[Json]:
    """Values of other types than the one that stands at a place."""
    value = document
    for step in path:
        value = value[step]  # type: ignore[index]
    kinds: list[Json] = [{"odd": 1}, [1], "odd", -1.5, None, True]
    return [kind for kind in kinds if type(kind) is not type(value)]


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


@pytest.mark.parametrize("model", SSE)
def test_wrong_type_or_unknown_event_anywhere_in_a_stream_is_no_defect(
    gateway: RunningGateway, mocks: Mocks, caplog: pytest.LogCaptureFixture, model: str
) -> None:
    upstream: Upstream = getattr(mocks, SSE[model])
    taken: list[tuple[bytes, ...]] = []

    def keep(call: Call) -> Reply:
        reply = live(upstream, call)
        taken.append(reply.parts)
        return reply

    upstream.script(keep)
    assert post(gateway, model, "Call it. [tools=1]", tools=TOOLS, stream=True).status == 200
    found: list[object] = []
    for number, event in enumerate(taken[0]):
        head, mark, data = event.rpartition(b"data: ")
        if not mark or not data.strip().startswith(b"{"):
            continue
        document = json.loads(data)
        places = list(paths(document))
        chosen = places[1 + number * 3 % (len(places) - 1)]
        odd: list[Json] = [spoiled(document, chosen, wrongs(document, chosen)[number % 5])]
        odd += [{"type": "unheard.of"}, [[], "odd", None, 5][number % 4]]
        for wrong in odd:
            parts = list(taken[0])
            parts[number] = head + mark + json.dumps(wrong).encode() + b"\n\n"
            upstream.always(
                lambda call, parts=tuple(parts): msgspec.structs.replace(live(upstream, call), parts=parts)  # type: ignore[misc]
            )
            answer = post(gateway, model, "Call it. [tools=1]", tools=TOOLS, stream=True)
            ends = answer.body.endswith(b"data: [DONE]\n\n") if answer.status == 200 else answer.status == 502
            if not ends or b"internal_error" in answer.body:
                found.append((number, wrong, answer.status, answer.body[-200:]))
    assert found == []
    assert traces(caplog) == []


FINISHES = {"finish_reason", "native_finish_reason", "stop_reason", "stopReason", "finishReason", "done_reason"}
CALL_ID = re.compile(r"(call|toolu|tooluse|fc)_?\w*|f_\w+|g_\w+")


def changed(document: Json, change: Callable[[str, Json], Json], name: str = "") -> Json:
    """The document with each value as `change` makes it of name and value."""
    if isinstance(document, dict):
        return {key: changed(value, change, key) for key, value in document.items()}
    if isinstance(document, list):
        return [changed(value, change, name) for value in document]
    return change(name, document)


def answer_changed(upstream: Upstream, change: Callable[[str, Json], Json]) -> None:
    """Let the mock give its next answer with other values."""

    def made(call: Call) -> Reply:
        reply = live(upstream, call)
        body = json.dumps(changed(json.loads(b"".join(reply.parts)), change)).encode()
        return msgspec.structs.replace(reply, parts=(body,))

    upstream.script(made)


@pytest.mark.parametrize("model", MOCKS)
def test_unknown_finish_reason_is_a_stop_that_is_counted(gateway: RunningGateway, mocks: Mocks, model: str) -> None:
    answer_changed(getattr(mocks, MOCKS[model]), lambda name, value: "unheard_of" if name in FINISHES else value)
    answer = post(gateway, model, "Hello")

    assert (answer.status, answer.json()["choices"][0]["finish_reason"]) == (200, "stop")
    row = gateway.rows(1)[0]
    assert str(row["native_finish_reason"]).lower() == "unheard_of"
    counted = re.compile(r'aqueduct_unmapped_finish_reason_total\{[^}]*value="unheard_of"', re.IGNORECASE)
    address = gateway.url.removesuffix("/v1") + "/metrics"
    wait_until(lambda: bool(counted.search(httpx.get(address).text)), 20.0, "the reason is counted")


@pytest.mark.parametrize("model", [model for model in MOCKS if model != "ollama-chat"])  # whose calls have no ids
def test_calls_with_one_id_get_two(gateway: RunningGateway, mocks: Mocks, model: str) -> None:
    replaced: list[Json] = []

    def same(name: str, value: Json) -> Json:
        if name not in {"id", "toolUseId"} or not isinstance(value, str) or not CALL_ID.fullmatch(value):
            return value
        replaced.append(value)
        return "call_same"

    answer_changed(getattr(mocks, MOCKS[model]), same)
    answer = post(gateway, model, "Call both. [tools=2]", tools=[*TOOLS, {**TOOLS[0], "function": {"name": "g"}}])

    calls = answer.json()["choices"][0]["message"]["tool_calls"]
    assert len(replaced) == 2
    assert len({call["id"] for call in calls}) == len(calls) == 2
