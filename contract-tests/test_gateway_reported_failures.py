"""Failures of OpenRouter and Ollama as users reported them: status, type, code, and what must not be told."""

import openai
import pytest
from error_tables import Case, Told
from gateway_fixtures import Mocks
from reported_failures import OLLAMA, OLLAMA_INSIDE, OPENROUTER, OPENROUTER_INSIDE
from running_gateway import TOKEN, RunningGateway
from test_gateway_errors import HELLO, MOCKS, reply_of, stream_of, told_by
from upstreams import Upstream, json_reply
from upstreams.wire import Reply, data_event

CASES = {("openrouter", name): case for name, case in OPENROUTER.items()}
CASES |= {("ollama-chat", name): case for name, case in OLLAMA.items()}
INSIDE = {("openrouter", name): case for name, case in OPENROUTER_INSIDE.items()}
INSIDE |= {("ollama-chat", name): case for name, case in OLLAMA_INSIDE.items()}
CHUNK = "chat.completion.chunk"


def asked(gateway: RunningGateway, mocks: Mocks, model: str, reply: Reply, *, stream: bool) -> Told:
    """What the client is told, asked once and without any retry of its own."""
    upstream: Upstream = getattr(mocks, MOCKS[model])
    upstream.always(reply)
    with openai.OpenAI(base_url=gateway.url, api_key=TOKEN, max_retries=0) as client:
        with pytest.raises(openai.APIStatusError) as caught:
            client.chat.completions.create(model=model, messages=HELLO, stream=stream)
        return told_by(caught.value)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("model", "name"), CASES)
def test_reported_failure_is_told_as_the_table_says(
    gateway: RunningGateway, mocks: Mocks, model: str, name: str, stream: bool
) -> None:
    case: Case = CASES[model, name]
    told = asked(gateway, mocks, model, reply_of(case), stream=stream)
    assert told._replace(param=None) == case.told._replace(param=None)
    row = gateway.rows(1)[0]
    assert row["status"] == case.told.status
    if "(ref: " in str(case.body):
        assert str(row["upstream_request_id"]) in str(case.body)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("model", "name"), INSIDE)
def test_reported_failure_under_a_200_is_told_with_its_own_status(
    gateway: RunningGateway, mocks: Mocks, model: str, name: str, stream: bool
) -> None:
    body, expected = INSIDE[model, name]
    reply = json_reply(body)
    if stream and model == "openrouter":
        choices = [
            {**choice, "delta": {"role": "assistant", "content": ""}, "message": None}
            for choice in body.get("choices", [])
        ]
        reply = stream_of(
            model, (b": OPENROUTER PROCESSING\n\n", data_event({**body, "object": CHUNK, "choices": choices}))
        )
    elif stream:
        reply = stream_of(model, (json_reply(body).body + b"\n",))
    told = asked(gateway, mocks, model, reply, stream=stream)
    assert told._replace(param=None) == expected._replace(param=None)
    assert gateway.rows(1)[0]["status"] == expected.status
