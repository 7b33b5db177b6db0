"""Answers held against the client's schema, through the whole gateway: told, repaired, and never in the way."""

from collections.abc import Iterator

import httpx
import openai
import pytest
from gateway_fixtures import Mocks
from openai.types.chat import ChatCompletionMessageParam
from raw_http import Connection
from running_gateway import TOKEN, RunningGateway
from serving_process import chat_request, fetch, wait_until
from upstreams import json_reply
from upstreams.faults import Fault

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Who are you? Answer as JSON."}]
HEADER = "x-aqueduct-schema-valid"


def form(schema: object) -> dict:
    return {"type": "json_schema", "json_schema": {"name": "person", "schema": schema}}


def person(**name: object) -> dict:
    properties = {"name": {"type": "string", **name}}
    return form({"type": "object", "properties": properties, "required": ["name"], "additionalProperties": False})


# The mock answers with the smallest instance, and reads no pattern.
FOLLOWED, NOT_FOLLOWED = person(), person(pattern="^[0-9]{20}$")


@pytest.fixture
def client(gateway: RunningGateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=gateway.url, api_key=TOKEN, max_retries=0) as client:
        yield client


def answer(text: str | None, **message: object) -> object:
    choice = {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    body = {"id": "c", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini", "usage": usage}
    return json_reply({**body, "choices": [choice]})


def checks(gateway: RunningGateway, model: str) -> dict[str, float]:
    text = httpx.get(gateway.url.removesuffix("/v1") + "/metrics").text
    lines = [line for line in text.splitlines() if line.startswith("aqueduct_schema_checks_total") and model in line]
    return {line.partition('outcome="')[2].partition('"')[0]: float(line.rpartition(" ")[2]) for line in lines}


@pytest.mark.parametrize(("wanted", "told"), [(FOLLOWED, "true"), (NOT_FOLLOWED, "false")])
def test_whole_answer_tells_whether_it_follows_the_schema(client: openai.OpenAI, wanted: dict, told: str) -> None:
    raw = client.chat.completions.with_raw_response.create(model="gpt", messages=HELLO, response_format=wanted)
    assert raw.headers[HEADER] == told


@pytest.mark.parametrize(("text", "told"), [('{"a": 1}', "true"), ("[1]", "false"), ("Here you are: {}", "false")])
def test_json_object_is_held_against_any_object(client: openai.OpenAI, mocks: Mocks, text: str, told: str) -> None:
    mocks.openai.script(answer(text))
    raw = client.chat.completions.with_raw_response.create(
        model="gpt", messages=HELLO, response_format={"type": "json_object"}
    )
    assert raw.headers[HEADER] == told


@pytest.mark.parametrize(("model", "wanted"), [("unchecked", FOLLOWED), ("repaired", None), ("gpt", None)])
def test_answer_that_nobody_wants_checked_says_nothing(
    client: openai.OpenAI, gateway: RunningGateway, model: str, wanted: dict | None
) -> None:
    asked = {} if wanted is None else {"response_format": wanted}
    raw = client.chat.completions.with_raw_response.create(model=model, messages=HELLO, **asked)
    assert HEADER not in raw.headers
    assert gateway.rows(1)[0]["schema_outcome"] is None


def test_refusal_is_not_held_against_the_schema(client: openai.OpenAI, mocks: Mocks) -> None:
    mocks.openai.script(answer(None, refusal="I cannot."))
    raw = client.chat.completions.with_raw_response.create(model="repaired", messages=HELLO, response_format=FOLLOWED)
    assert HEADER not in raw.headers
    assert raw.parse().choices[0].message.refusal == "I cannot."


def test_schema_that_explodes_is_answered_without_a_verdict_and_without_a_stall(
    client: openai.OpenAI, gateway: RunningGateway
) -> None:
    steps = {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}, {"$ref": f"#/$defs/a{n + 1}"}]} for n in range(60)}
    schema = {"type": "object", "$ref": "#/$defs/a0", "$defs": {**steps, "a60": {"type": "object", "properties": {}}}}
    raw = client.chat.completions.with_raw_response.create(model="gpt", messages=HELLO, response_format=form(schema))
    assert HEADER not in raw.headers
    again = client.chat.completions.with_raw_response.create(model="gpt", messages=HELLO, response_format=FOLLOWED)
    assert again.headers[HEADER] == "true"
    assert [row["schema_outcome"] for row in gateway.rows(2)] == ["unknown", "valid"]


def test_wrong_answer_is_asked_for_once_more_and_both_are_booked(
    client: openai.OpenAI, gateway: RunningGateway, mocks: Mocks
) -> None:
    mocks.openai.script(answer('{"nome": "Ada"}'))
    raw = client.chat.completions.with_raw_response.create(model="repaired", messages=HELLO, response_format=FOLLOWED)

    assert raw.headers[HEADER] == "true"
    assert raw.headers["x-aqueduct-attempts"] == "2"
    assert "nome" not in (raw.parse().choices[0].message.content or "")
    second = mocks.openai.exchanges[-1].request.json()
    assert [message["role"] for message in second["messages"]] == ["user", "assistant", "user"]
    assert second["messages"][1]["content"] == '{"nome": "Ada"}'
    assert "JSON schema" in second["messages"][2]["content"]
    last = mocks.openai.ledger[-1].usage
    assert last is not None
    row = gateway.rows(1)[0]
    assert (row["prompt_tokens"], row["completion_tokens"]) == (10 + last.prompt, 5 + last.completion)
    assert checks(gateway, "repaired").get("repaired", 0) >= 1
    assert row["schema_outcome"] == "repaired"
    explained = httpx.get(f"{gateway.url}/requests/{row['id']}", headers={"authorization": f"Bearer {TOKEN}"}).json()
    assert explained["schema_outcome"] == "repaired"


def test_client_that_leaves_during_the_repair_is_booked_with_both_attempts(
    gateway: RunningGateway, mocks: Mocks
) -> None:
    """Trap 2: the first answer as the provider counted it, the second call by the longer prompt that it was sent."""
    first = '{"nome": "' + "Ada " * 400 + '"}'
    mocks.openai.script(answer(first))
    mocks.openai.script(None, fault=Fault(first_byte_delay_s=30))
    with Connection(gateway.port) as connection:
        connection.send(chat_request("Who are you?", "repaired", response_format=FOLLOWED))
        wait_until(lambda: len(mocks.openai.requests) == 2, 20.0, "the answer is asked for once more")

    row = gateway.rows(1)[0]
    assert (row["status"], row["error_kind"], row["attempts"]) == (499, "caller_disconnected", 2)
    assert (row["completion_tokens"], row["schema_outcome"]) == (5, "invalid")
    assert isinstance(row["prompt_tokens"], int)
    assert row["prompt_tokens"] - 10 > len(first) / 5
    tried = fetch(str(gateway.settings.database_url), "SELECT * FROM usage.attempts ORDER BY number")
    assert [one["usage_source"] for one in tried] == ["provider", "estimated"]
    assert [one["prompt_tokens"] for one in tried] == [10, row["prompt_tokens"] - 10]


def test_answer_that_stays_wrong_is_returned_as_it_was(
    client: openai.OpenAI, gateway: RunningGateway, mocks: Mocks
) -> None:
    mocks.openai.script(answer('{"first": 1}'), answer('{"second": 2}'))
    raw = client.chat.completions.with_raw_response.create(model="repaired", messages=HELLO, response_format=FOLLOWED)
    assert (raw.headers[HEADER], raw.parse().choices[0].message.content) == ("false", '{"first": 1}')
    row = gateway.rows(1)[0]
    assert (row["status"], row["prompt_tokens"], row["completion_tokens"]) == (200, 20, 10)
    assert row["schema_outcome"] == "invalid"


def test_failure_of_the_repair_leaves_the_first_answer(
    client: openai.OpenAI, gateway: RunningGateway, mocks: Mocks
) -> None:
    mocks.openai.script(answer('{"first": 1}'))
    mocks.openai.script(None, fault=Fault(error=500))
    raw = client.chat.completions.with_raw_response.create(model="repaired", messages=HELLO, response_format=FOLLOWED)
    assert (raw.headers[HEADER], raw.parse().choices[0].message.content) == ("false", '{"first": 1}')
    row = gateway.rows(1)[0]
    assert (row["status"], row["prompt_tokens"], row["completion_tokens"]) == (200, 10, 5)


def test_stream_is_checked_at_its_end_for_the_metric_and_never_repaired(
    client: openai.OpenAI, gateway: RunningGateway, mocks: Mocks
) -> None:
    before = checks(gateway, "repaired")
    for wanted in (FOLLOWED, NOT_FOLLOWED):
        chunks = list(
            client.chat.completions.create(model="repaired", messages=HELLO, response_format=wanted, stream=True)
        )
        assert chunks[-1].choices[0].finish_reason == "stop"
        assert "aqueduct_schema_valid" not in chunks[-1].to_json()
    assert [row["schema_outcome"] for row in gateway.rows(2)] == ["valid", "invalid"]
    after = checks(gateway, "repaired")
    assert after.get("valid", 0) == before.get("valid", 0) + 1
    assert after.get("invalid", 0) == before.get("invalid", 0) + 1
    assert len(mocks.openai.exchanges) == 2


@pytest.mark.parametrize(("wanted", "told"), [(FOLLOWED, True), (NOT_FOLLOWED, False)])
def test_stream_tells_the_verdict_with_the_usage_where_the_client_asks(
    client: openai.OpenAI, wanted: dict, told: bool
) -> None:
    options = {"include_usage": True, "include_schema_valid": True}
    chunks = list(
        client.chat.completions.create(
            model="gpt", messages=HELLO, response_format=wanted, stream=True, stream_options=options
        )
    )
    usage = chunks[-1].usage
    assert usage is not None
    assert usage.to_dict()["aqueduct_schema_valid"] is told
