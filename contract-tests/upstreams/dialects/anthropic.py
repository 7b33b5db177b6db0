"""Anthropic's paths, credentials, errors and answers."""

import re

from upstreams.dialects import anthropic_answers, anthropic_rules
from upstreams.dialects.base import UPSTREAM_KEY, Answer, Call, Dialect
from upstreams.recordings import JsonObject
from upstreams.wire import Reply, Request, data_event, json_reply

ROUTE = re.compile(r"(?:/[^/]+)*?/v1/(?P<operation>messages|messages/count_tokens|models(?:/(?P<model>[^/]+))?)")
ERRORS = {
    400: ("invalid_request_error", "The request is invalid."),
    401: ("authentication_error", "invalid x-api-key"),
    402: ("billing_error", "Your credit balance is too low to access the Anthropic API."),
    403: ("permission_error", "Your API key does not have permission to use the specified resource."),
    404: ("not_found_error", "Not found"),
    413: ("request_too_large", "Request exceeds the maximum size"),
    429: ("rate_limit_error", "This request would exceed your organization's rate limit."),
    500: ("api_error", "Internal server error"),
    504: ("timeout_error", "The request timed out."),
    529: ("overloaded_error", "Overloaded"),
}
MODELS = ("claude-sonnet-4-5", "claude-haiku-4-5")
# The second is what the SDK sends since 2.x.
VERSIONS = frozenset({"2023-06-01", "2026-10-21"})


class Anthropic(Dialect):
    """`/v1/messages`, `/v1/messages/count_tokens`, `/v1/models`; wants `anthropic-version` and a key.

    The key stands in `x-api-key`, as raw clients send it, or is a bearer token, as the SDK sends it since 2.x.
    `alternating` also refuses two turns of one role in a row, which the API itself joins.
    """

    name = "anthropic"

    def __init__(self, key: str = UPSTREAM_KEY, *, models: tuple[str, ...] = MODELS, alternating: bool = False) -> None:
        super().__init__(key)
        self.models = models
        self.alternating = alternating

    def call(self, request: Request) -> Call:
        self._authenticate(request)
        route = ROUTE.fullmatch(request.path)
        if route is None:
            raise self.refuse(404, "Not Found")
        operation = route["operation"].partition("/")[0] if route["model"] else route["operation"]
        if request.method != ("GET" if operation == "models" else "POST"):
            raise self.refuse(405, "Method Not Allowed")
        if operation == "models":
            return Call(operation, route["model"] or "", False, {}, request)
        body = self.body(request)
        name = "count_tokens" if operation.endswith("count_tokens") else operation
        return Call(name, str(body.get("model", "")), body.get("stream") is True, body, request)

    def _authenticate(self, request: Request) -> None:
        bearer = request.header("authorization")
        given = {request.header("x-api-key"), None if bearer is None else bearer.removeprefix("Bearer ")} - {None}
        if not given:
            raise self.refuse(401, "x-api-key header is required")
        if given != {self.key}:
            raise self.refuse(401, "invalid x-api-key")
        version = request.header("anthropic-version")
        if version not in VERSIONS:
            wrong = "header is required" if version is None else f'"{version}" is not a valid version'
            raise self.refuse(400, f"anthropic-version: {wrong}")

    def check(self, call: Call) -> None:
        problem = anthropic_rules.problem(call, alternating=self.alternating)
        if problem is not None:
            raise self.refuse(400, problem)

    def answer(self, call: Call) -> Answer:
        match call.operation:
            case "models":
                return Answer(self._models(call.model))
            case "count_tokens":
                return Answer(json_reply({"input_tokens": anthropic_answers.input_tokens(call.body)}))
            case _:
                return anthropic_answers.messages(call)

    def _models(self, model: str) -> Reply:
        listed = [
            {"type": "model", "id": name, "display_name": name, "created_at": "2025-09-29T00:00:00Z"}
            for name in self.models
        ]
        if model:
            return (
                json_reply(listed[self.models.index(model)])
                if model in self.models
                else self.error(404, f"model: {model}")
            )
        return json_reply({"data": listed, "has_more": False, "first_id": self.models[0], "last_id": self.models[-1]})

    def error(self, status: int, message: str | None = None) -> Reply:
        return json_reply(self.error_body(status, message), status, (("request-id", "req_mock"),))

    def error_body(self, status: int, message: str | None = None) -> JsonObject:
        """The body of an error, as it also stands in a stream."""
        kind, default = ERRORS.get(status, ERRORS[500 if status >= 500 else 400])
        return {"type": "error", "error": {"type": kind, "message": message or default}, "request_id": "req_mock"}

    def error_event(self) -> bytes:
        body = self.error_body(529)
        del body["request_id"]
        return data_event(body, "error")
