"""Vertex AI's paths and credentials in front of Gemini's and Claude's dialects; both answer as they do at home."""

import re

import msgspec

from upstreams.dialects import google_answers
from upstreams.dialects.anthropic import Anthropic
from upstreams.dialects.base import UPSTREAM_KEY, Answer, Call, Dialect
from upstreams.dialects.google import Google
from upstreams.recordings import JsonObject
from upstreams.wire import Reply, Request, json_reply

ROUTE = re.compile(
    r"/v1/projects/(?P<project>[A-Za-z0-9-]+)/locations/(?P<location>[a-z0-9-]+)/publishers/"
    r"(?P<publisher>google|anthropic)/models/(?P<model>[^/:]+):(?P<method>\w+)"
)
METHODS = {
    "google": {"generateContent", "streamGenerateContent", "predict", "embedContent"},
    "anthropic": {"rawPredict", "streamRawPredict"},
}
TOKEN_PATH = "/token"
VERSION = "vertex-2023-10-16"


class Vertex(Dialect):
    """`/v1/projects/{p}/locations/{l}/publishers/{google|anthropic}/models/{m}:{method}` and a token endpoint.

    The key is an access token. The token endpoint gives it to every JWT, whose signature is not looked at.
    """

    name = "vertex"

    def __init__(self, key: str = UPSTREAM_KEY) -> None:
        super().__init__(key)
        self._google = Google(key)
        self._anthropic = Anthropic(key)

    def call(self, request: Request) -> Call:
        if request.path == TOKEN_PATH:
            return Call("token", "", False, {}, request)
        if request.header("authorization") != f"Bearer {self.key}":
            raise self.refuse(401, "Request had invalid authentication credentials.")
        route = ROUTE.fullmatch(request.path)
        if route is None or request.method != "POST" or route["method"] not in METHODS[route["publisher"]]:
            raise self.refuse(404, "The requested URL was not found on this server.")
        method = route["method"]
        streamed = method in {"streamGenerateContent", "streamRawPredict"}
        if method == "streamGenerateContent" and request.query.get("alt") != ["sse"]:
            raise self.refuse(400, "the mock streams server-sent events only: alt=sse is missing")
        operation = "rawPredict" if method == "streamRawPredict" else method
        return Call(operation, route["model"], streamed, self.body(request), request)

    def check(self, call: Call) -> None:
        if call.operation in {"token", "predict"}:
            return
        if call.operation != "rawPredict":
            self._google.check(self._at_home(call))
            return
        if call.body.get("anthropic_version") != VERSION or "model" in call.body:
            raise self._anthropic.refuse(400, f"anthropic_version: Input should be '{VERSION}', and no model")
        if (call.body.get("stream") is True) != call.streamed:
            raise self._anthropic.refuse(400, "stream: does not fit the method")
        self._anthropic.check(self._at_home(call))

    def answer(self, call: Call) -> Answer:
        match call.operation:
            case "token":
                return Answer(json_reply({"access_token": self.key, "expires_in": 3600, "token_type": "Bearer"}))
            case "predict":
                return predictions(call)
            case "rawPredict":
                return self._anthropic.answer(self._at_home(call))
            case _:
                return self._google.answer(self._at_home(call))

    def _at_home(self, call: Call) -> Call:
        """The call as the model's own API would have got it."""
        if call.operation != "rawPredict":
            return call
        body = {name: value for name, value in call.body.items() if name != "anthropic_version"}
        return msgspec.structs.replace(call, operation="messages", body={"model": call.model, **body})

    def error(self, status: int, message: str | None = None) -> Reply:
        return self._google.error(status, message)

    def error_event(self) -> bytes:
        return self._google.error_event()


class VertexClaude(Vertex):
    """The same; errors have Anthropic's form."""

    def error(self, status: int, message: str | None = None) -> Reply:
        return self._anthropic.error(status, message)

    def error_event(self) -> bytes:
        return self._anthropic.error_event()


def predictions(call: Call) -> Answer:
    """One vector for each text."""
    dimensions = (call.body.get("parameters") or {}).get("outputDimensionality") or google_answers.DEFAULT_DIMENSIONS
    found: list[JsonObject] = []
    for instance in call.body["instances"]:
        count = google_answers.tokens(instance["content"])
        statistics = {"token_count": count, "truncated": False}
        values = google_answers.vector(instance["content"], dimensions)
        found.append({"embeddings": {"values": values, "statistics": statistics}})
    return Answer(json_reply({"predictions": found}))
