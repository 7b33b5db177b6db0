"""The contract of a dialect and the values that its methods exchange; it must not know any one dialect."""

import abc

import msgspec

from upstreams.reading import Usage
from upstreams.recordings import JsonObject
from upstreams.wire import Reply, Request

UPSTREAM_KEY = "sk-upstream-contract-tests"

# Operations that take their answer from a script; the others (models, token counts) are always answered live.
SCRIPTED = frozenset(
    {
        "chat.completions",
        "completions",
        "embeddings",
        "messages",
        "generateContent",
        "streamGenerateContent",
        "embedContent",
        "converse",
        "converse-stream",
        "invoke",
        "cohere.v2.chat",
        "embed",
        "ollama.chat",
        "ollama.embed",
        "predict",
        "rawPredict",
        "rerank",
    }
)


class RefusedError(Exception):
    """The request breaks a rule of the provider; `reply` is the provider's own error."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"{reply.status}: {reply.body.decode(errors='replace')}")
        self.reply = reply


class Call(msgspec.Struct, frozen=True):
    """A routed request. `operation` is the recordings' api name, `model` the upstream model id."""

    operation: str
    model: str
    streamed: bool
    body: JsonObject
    request: Request


class Answer(msgspec.Struct, frozen=True):
    """A live answer with the usage that it reports."""

    reply: Reply
    usage: Usage | None = None


class Dialect(abc.ABC):
    """One provider's dialect. `key` is the only credential that it accepts."""

    name: str

    def __init__(self, key: str = UPSTREAM_KEY) -> None:
        self.key = key

    @abc.abstractmethod
    def call(self, request: Request) -> Call:
        """Check credentials and route; RefusedError with the provider's 401, 404 or 400 otherwise."""

    @abc.abstractmethod
    def check(self, call: Call) -> None:
        """Check the body against the provider's rules; RefusedError with its 400 otherwise."""

    @abc.abstractmethod
    def answer(self, call: Call) -> Answer:
        """A deterministic answer made from the request."""

    @abc.abstractmethod
    def error(self, status: int, message: str | None = None) -> Reply:
        """The provider's error body for a status."""

    @abc.abstractmethod
    def error_event(self) -> bytes:
        """The provider's error inside a 200 stream."""

    def refuse(self, status: int, message: str) -> RefusedError:
        """The exception for a rule that the request breaks."""
        return RefusedError(self.error(status, message))

    def body(self, request: Request) -> JsonObject:
        """The request's JSON object; 400 otherwise, 415 for another media type."""
        media = (request.header("content-type") or "").partition(";")[0].strip()
        if media != "application/json":
            raise self.refuse(415, f"Unsupported media type: {media or 'none'}")
        try:
            return request.json()
        except ValueError as error:
            raise self.refuse(400, f"We could not parse the JSON body of your request: {error}") from error
