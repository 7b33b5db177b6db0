"""The Gemini API's paths, credentials, errors and answers."""

import re

from upstreams.dialects import google_answers, google_rules
from upstreams.dialects.base import UPSTREAM_KEY, Answer, Call, Dialect, RefusedError
from upstreams.recordings import JsonObject
from upstreams.wire import Reply, Request, data_event, json_reply

ROUTE = re.compile(
    r"(?:/[^/]+)*?/v1(?:beta|alpha)?/models/(?P<model>[^/:]+):"
    r"(?P<method>generateContent|streamGenerateContent|embedContent|batchEmbedContents|countTokens)"
)
MODELS_ROUTE = re.compile(r"(?:/[^/]+)*?/v1(?:beta|alpha)?/models(?:/(?P<model>[^/:]+))?")
OPERATIONS = {"batchEmbedContents": "embedContent", "countTokens": "count_tokens"}
ERRORS = {
    400: ("INVALID_ARGUMENT", "Request contains an invalid argument."),
    401: ("UNAUTHENTICATED", "Request had invalid authentication credentials."),
    403: ("PERMISSION_DENIED", "The caller does not have permission"),
    404: ("NOT_FOUND", "Requested entity was not found."),
    429: ("RESOURCE_EXHAUSTED", "You exceeded your current quota, please check your plan and billing details."),
    500: ("INTERNAL", "An internal error has occurred."),
    503: ("UNAVAILABLE", "The model is overloaded. Please try again later."),
    504: ("DEADLINE_EXCEEDED", "Deadline expired before operation could complete."),
}
MODELS = ("gemini-2.5-flash", "gemini-3-flash", "gemini-embedding-001")


class Google(Dialect):
    """`/v1beta/models/{m}:generateContent` and its siblings; the key belongs in `x-goog-api-key`, never in the URL."""

    name = "google"

    def __init__(self, key: str = UPSTREAM_KEY, *, models: tuple[str, ...] = MODELS) -> None:
        super().__init__(key)
        self.models = models

    def call(self, request: Request) -> Call:
        self._authenticate(request)
        listing = MODELS_ROUTE.fullmatch(request.path)
        if listing is not None and request.method == "GET":
            return Call("models", listing["model"] or "", False, {}, request)
        route = ROUTE.fullmatch(request.path)
        if route is None or request.method != "POST":
            raise self.refuse(404, "The requested URL was not found on this server.")
        operation = OPERATIONS.get(route["method"], route["method"])
        streamed = route["method"] == "streamGenerateContent"
        if streamed and request.query.get("alt") != ["sse"]:
            raise self.refuse(400, "the mock streams server-sent events only: alt=sse is missing")
        return Call(operation, route["model"], streamed, self.body(request), request)

    def _authenticate(self, request: Request) -> None:
        if "key" in request.query:
            raise self.refuse(403, "the mock takes no key in the URL, where logs would keep it")
        if request.header("x-goog-api-key") is None:
            raise self.refuse(403, "Method doesn't allow unregistered callers.")
        if request.header("x-goog-api-key") != self.key:
            body = self.error_body(400, "API key not valid. Please pass a valid API key.")
            reason = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
            body["error"]["details"] = [{**reason, "domain": "googleapis.com"}]
            raise RefusedError(json_reply(body, 400))

    def check(self, call: Call) -> None:
        problem = google_rules.problem(call)
        if problem is not None:
            raise self.refuse(400, problem)

    def answer(self, call: Call) -> Answer:
        match call.operation:
            case "models":
                return Answer(self._models(call.model))
            case "count_tokens":
                return Answer(json_reply({"totalTokens": google_answers.prompt_tokens(call.body)}))
            case "embedContent":
                return google_answers.embeddings(call)
            case _:
                return google_answers.content(call)

    def _models(self, model: str) -> Reply:
        listed = [
            {
                "name": f"models/{name}",
                "displayName": name,
                "inputTokenLimit": 1_048_576,
                "outputTokenLimit": 65_536,
                "supportedGenerationMethods": ["embedContent" if "embedding" in name else "generateContent"],
            }
            for name in self.models
        ]
        if not model:
            return json_reply({"models": listed})
        if model not in self.models:
            return self.error(404, f"models/{model} is not found for API version v1beta.")
        return json_reply(listed[self.models.index(model)])

    def error(self, status: int, message: str | None = None) -> Reply:
        return json_reply(self.error_body(status, message), status)

    def error_body(self, status: int, message: str | None = None) -> JsonObject:
        """The body of an error, as it also stands in a stream; 429 carries when to retry."""
        name, default = ERRORS.get(status, ERRORS[500 if status >= 500 else 400])
        error: JsonObject = {"code": status, "message": message or default, "status": name}
        if status == 429:
            error["details"] = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s"}]
        return {"error": error}

    def error_event(self) -> bytes:
        return data_event(self.error_body(503))
