"""Every recording of the mocked APIs leaves the mock byte for byte."""

import http.client
import json
from typing import Any

import pytest
from upstreams import UPSTREAM_KEY, Anthropic, Azure, Dialect, Google, OpenAI, Recording, Upstream, recordings
from upstreams.readers.sse import payloads

DIALECTS: dict[str, type[Dialect]] = {"openai": OpenAI, "azure": Azure, "anthropic": Anthropic, "google": Google}
PATHS = {
    "chat.completions": "/v1/chat/completions",
    "completions": "/v1/completions",
    "embeddings": "/v1/embeddings",
    "messages": "/v1/messages",
    "generateContent": "/v1beta/models/m:generateContent",
    "streamGenerateContent": "/v1beta/models/m:streamGenerateContent?alt=sse",
    "embedContent": "/v1beta/models/m:embedContent",
}
BODIES: dict[str, dict[str, Any]] = {
    "completions": {"model": "m", "prompt": "p"},
    "embeddings": {"model": "m", "input": "p"},
    "generateContent": {"contents": [{"role": "user", "parts": [{"text": "p"}]}]},
    "streamGenerateContent": {"contents": [{"role": "user", "parts": [{"text": "p"}]}]},
    "embedContent": {"content": {"parts": [{"text": "p"}]}},
}
CHAT: dict[str, Any] = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "p"}]}
HEADERS = {
    "content-type": "application/json",
    "authorization": f"Bearer {UPSTREAM_KEY}",
    "x-goog-api-key": UPSTREAM_KEY,
    "anthropic-version": "2023-06-01",
}


def path_of(recording: Recording) -> str:
    path = PATHS[recording.api]
    if recording.dialect == "azure":
        return path.replace("/v1/", "/openai/deployments/d/") + "?api-version=2024-10-21"
    return path


@pytest.mark.parametrize("dialect", DIALECTS)
def test_replay_every_recording_arrives_byte_for_byte(dialect: str) -> None:
    found = recordings(dialect=dialect)
    assert len(found) > 10
    with Upstream(DIALECTS[dialect]()) as upstream:
        connection = http.client.HTTPConnection("127.0.0.1", upstream.port, timeout=10)
        for recording in found:
            upstream.script(recording)
            body = dict(BODIES.get(recording.api, CHAT))
            if recording.streamed and dialect != "google":
                body["stream"] = True
            connection.request("POST", path_of(recording), json.dumps(body), HEADERS)
            response = connection.getresponse()
            assert response.status == recording.status
            if recording.body_kind == "json-array-stream" and recording.status == 200:
                # Google answers alt=sse with events, so the recorded array is sent as such.
                assert [json.loads(data) for data in payloads(response.read())] == json.loads(recording.body)
                assert response.headers["content-type"].startswith("text/event-stream")
            else:
                assert response.read() == recording.body, recording.name
                assert response.headers["content-type"] == recording.content_type
        connection.close()
        assert upstream.problems == []
        assert len(upstream.ledger) == len(found)
        assert len(upstream.connections) == 1
