"""Shortcuts of these tests: a request in JSON to the body that is sent, answers in bytes to what clients get."""

import json

import msgspec

from adapters.base import Deployment, Losses, Result, Secret
from adapters.cohere.request import to_chat_request
from adapters.cohere.response import Expected, to_chat_completion
from adapters.cohere.stream import ChunkTranslator
from adapters.cohere.tools import NAMES
from adapters.errors import ProviderError
from adapters.sse import SseParser
from adapters.tool_names import ToolNames
from schemas.chat_request import ChatRequest
from schemas.chat_response import ChatCompletion

ASKED = [{"role": "user", "content": "What is the weather in Ulm?"}]
EXPECTED = Expected(model="public", request_id="r-1", created=1_700_000_000, names=ToolNames(NAMES))


def deployment(upstream_model: str = "command-a-03-2025", **fields) -> Deployment:
    base = {"id": "d", "model": "public", "provider": "p", "adapter": "cohere", "upstream_model": upstream_model}
    return Deployment(**{**base, "credential": Secret("canary-0123456789"), **fields})


def request(**fields) -> ChatRequest:
    return msgspec.json.decode(json.dumps({"model": "public", "messages": ASKED, **fields}), type=ChatRequest)


def sent_and_dropped(upstream_model: str = "command-a-03-2025", *, options: dict | None = None, **fields):
    """The body for a request, decoded, and what was lost on the way."""
    losses = Losses("drop")
    translated = to_chat_request(
        request(**fields), deployment(upstream_model, options=options or {}), losses, stream=False
    )
    return json.loads(msgspec.json.encode(translated.body)), losses.dropped


def sent(upstream_model: str = "command-a-03-2025", *, options: dict | None = None, **fields) -> dict:
    return sent_and_dropped(upstream_model, options=options, **fields)[0]


def refused(**fields) -> ProviderError:
    """The error that a request is refused with."""
    try:
        sent(**fields)
    except ProviderError as error:
        return error
    raise AssertionError("the request was not refused")


def answered(body: object, expected: Expected = EXPECTED) -> Result[ChatCompletion]:
    return to_chat_completion(body if isinstance(body, bytes) else json.dumps(body).encode(), expected)


class Streamed:
    """A stream as the adapter passes it on."""

    def __init__(self, body: bytes, expected: Expected = EXPECTED) -> None:
        self.translator = ChunkTranslator(expected)
        self.chunks: list = []
        self.error: ProviderError | None = None
        parser = SseParser()
        try:
            for event in [*parser.feed(body), *parser.flush()]:
                self.chunks += self.translator.feed(event)
            self.chunks += self.translator.finish()
        except ProviderError as error:
            self.error = error

    @property
    def deltas(self) -> list[dict]:
        return [json.loads(msgspec.json.encode(chunk.choices[0].delta)) for chunk in self.chunks]
