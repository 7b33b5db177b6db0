"""OpenAI's paths, credentials, errors and answers, as every OpenAI-compatible server has them."""

import re

from upstreams.dialects import openai_answers, openai_rules
from upstreams.dialects.base import UPSTREAM_KEY, Answer, Call, Dialect
from upstreams.recordings import JsonObject
from upstreams.wire import Reply, Request, data_event, json_reply

ROUTE = re.compile(
    r"(?P<prefix>.*?)/(?P<operation>chat/completions|completions|embeddings|rerank|models(?:/(?P<model>.+))?)$"
)
ERRORS = {
    400: ("invalid_request_error", None, "The request is invalid."),
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    403: ("permission_error", None, "You are not allowed to do this."),
    404: ("invalid_request_error", None, "Invalid URL."),
    429: ("tokens", "rate_limit_exceeded", "Rate limit reached for this model. Please try again in 1s."),
    500: ("server_error", None, "The server had an error while processing your request."),
    503: ("server_error", None, "The engine is currently overloaded, please try again later."),
}
MODELS = ("gpt-4o-mini", "gpt-5-mini", "text-embedding-3-small")


class OpenAI(Dialect):
    """`/v1/chat/completions`, `/v1/completions`, `/v1/embeddings`, `/v1/models`, below any path prefix;
    and `/v1/rerank`, which compatible servers have.

    `extra_fields` are top-level request fields beyond OpenAI's own that a compatible server takes; None takes any.
    `reasons` sends the reasoning, as compatible servers do and OpenAI does not.
    """

    name = "openai"

    def __init__(
        self,
        key: str = UPSTREAM_KEY,
        *,
        models: tuple[str, ...] = MODELS,
        extra_fields: frozenset[str] | None = frozenset(),
        reasons: bool = False,
    ) -> None:
        super().__init__(key)
        self.reasons = reasons
        self.models = models
        self.extra_fields = extra_fields

    def call(self, request: Request) -> Call:
        self.authenticate(request)
        route = ROUTE.fullmatch(request.path)
        if route is None:
            raise self.refuse(404, f"Invalid URL ({request.method} {request.path})")
        operation = route["operation"].replace("/", ".") if not route["operation"].startswith("models") else "models"
        expected = "GET" if operation == "models" else "POST"
        if request.method != expected:
            raise self.refuse(405, f"Not allowed to {request.method} on {request.path}.")
        in_path = self.model_of(request)
        body: JsonObject = {} if operation == "models" else self.body(request)
        model = route["model"] if operation == "models" else in_path or body.get("model")
        return Call(operation, str(model or ""), body.get("stream") is True, body, request)

    def authenticate(self, request: Request) -> None:
        """A bearer token, nothing else."""
        if request.header("authorization") != f"Bearer {self.key}":
            raise self.refuse(401, "Incorrect API key provided.")

    def model_of(self, request: Request) -> str | None:  # noqa: ARG002 (Azure reads the path)
        """The model that the path names, where the dialect does that."""
        return None

    def check(self, call: Call) -> None:
        problem = openai_rules.problem(call, self.extra_fields)
        if problem is not None:
            raise self.refuse(400, problem)

    def answer(self, call: Call) -> Answer:
        if call.operation == "models":
            return Answer(self._models(call.model))
        return openai_answers.answer(call, reasons=self.reasons)

    def _models(self, model: str) -> Reply:
        listed = [{"id": name, "object": "model", "created": 1700000000, "owned_by": "mock"} for name in self.models]
        if not model:
            return json_reply({"object": "list", "data": listed})
        if model not in self.models:
            return self.error(404, f"The model '{model}' does not exist")
        return json_reply(listed[self.models.index(model)])

    def error(self, status: int, message: str | None = None) -> Reply:
        return json_reply(self.error_body(status, message), status, (("x-request-id", "req_mock"),))

    def error_body(self, status: int, message: str | None = None) -> JsonObject:
        """The body of an error, as it also stands in a stream."""
        kind, code, default = ERRORS.get(status, ERRORS[500 if status >= 500 else 400])
        return {"error": {"message": message or default, "type": kind, "param": None, "code": code}}

    def error_event(self) -> bytes:
        return data_event(self.error_body(500))
