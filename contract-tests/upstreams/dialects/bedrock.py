"""Bedrock's paths of Converse, InvokeModel (embeddings) and of its lists, credentials, errors and answers."""

import hashlib
import hmac
import re
from urllib.parse import quote, unquote

from upstreams.aws_frames import frame
from upstreams.dialects import bedrock_answers, bedrock_rules
from upstreams.dialects.base import UPSTREAM_KEY, Answer, Call, Dialect
from upstreams.recordings import JsonObject
from upstreams.wire import Reply, Request, json_reply

ROUTE = re.compile(r"/model/(?P<model>[^/]+)/(?P<operation>converse|converse-stream|invoke)")
LISTS = {"/foundation-models": "foundation-models", "/inference-profiles": "inference-profiles"}
AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<id>\w+)/(?P<scope>(?P<day>\d{8})/(?P<region>[a-z0-9-]+)/bedrock/aws4_request), "
    r"SignedHeaders=(?P<names>[a-z0-9;-]+), Signature=(?P<signature>[0-9a-f]{64})"
)
ERRORS = {
    400: ("ValidationException", "The request is invalid."),
    401: ("UnrecognizedClientException", "The security token included in the request is invalid."),
    403: ("AccessDeniedException", "You don't have access to the model with the specified model ID."),
    404: ("ResourceNotFoundException", "Could not resolve the foundation model from the provided model identifier."),
    408: ("ModelTimeoutException", "Model processing timed out."),
    429: ("ThrottlingException", "Too many requests, please wait before trying again."),
    500: ("InternalServerException", "The system encountered an unexpected error during processing."),
    503: ("ServiceUnavailableException", "Bedrock is unable to process your request."),
}
SIGNING_ID = "AKIDCONTRACTTEST"
SIGNING_SECRET = "a-signing-secret-for-contract-tests"


class Bedrock(Dialect):
    """`/model/{id}/converse`, `/converse-stream` and `/invoke`, and both lists.

    Wants the API key as bearer token, or a valid signature.
    """

    name = "bedrock"

    def __init__(self, key: str = UPSTREAM_KEY) -> None:
        super().__init__(key)

    def call(self, request: Request) -> Call:
        self._authenticate(request)
        if request.path in LISTS and request.method == "GET":
            return Call(LISTS[request.path], "", streamed=False, body={}, request=request)
        route = ROUTE.fullmatch(request.path)
        if route is None or request.method != "POST":
            raise self.refuse(404, "The requested operation does not exist.")
        operation = route["operation"]
        return Call(operation, unquote(route["model"]), operation == "converse-stream", self.body(request), request)

    def _authenticate(self, request: Request) -> None:
        given = request.header("authorization") or ""
        if given == f"Bearer {self.key}":
            return
        claimed = AUTHORIZATION.fullmatch(given)
        if claimed is None:
            raise self.refuse(403, "Missing Authentication Token")
        if claimed["id"] != SIGNING_ID or not hmac.compare_digest(claimed["signature"], signature(request, claimed)):
            raise self.refuse(403, "The request signature we calculated does not match the signature you provided.")

    def check(self, call: Call) -> None:
        if call.operation in LISTS.values():
            return
        if call.operation == "invoke":
            problem = bedrock_rules.embedding_problem(call.model, call.body)
        else:
            problem = bedrock_rules.problem(call.body)
        if problem is not None:
            raise self.refuse(400, problem)

    def answer(self, call: Call) -> Answer:
        match call.operation:
            case "foundation-models":
                return bedrock_answers.models()
            case "inference-profiles":
                return bedrock_answers.profiles(call.request.query)
            case "invoke":
                return bedrock_answers.embeddings(call)
            case _:
                return bedrock_answers.converse(call)

    def error(self, status: int, message: str | None = None) -> Reply:
        kind, default = ERRORS.get(status, ERRORS[500 if status >= 500 else 400])
        body: JsonObject = {"message": message or default}
        return json_reply(body, status, (("x-amzn-requestid", "req-mock"), ("x-amzn-errortype", f"{kind}:http://x/")))

    def error_event(self) -> bytes:
        return frame("modelStreamErrorException", {"message": "The model stopped in its answer."}, "exception")


def signature(request: Request, claimed: "re.Match[str]") -> str:
    """What the signature of a request must be, computed after AWS's description of Signature Version 4."""
    names = claimed["names"].split(";")
    if "host" not in names or "x-amz-date" not in names:
        return ""
    query = request.target.partition("?")[2]
    lines = [request.method, quote(request.path, safe="/-_.~"), "&".join(sorted(query.split("&")))]
    lines += [f"{name}:{' '.join((request.header(name) or '').split())}" for name in names]
    canonical = "\n".join([*lines, "", claimed["names"], hashlib.sha256(request.body).hexdigest()])
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = f"AWS4-HMAC-SHA256\n{request.header('x-amz-date')}\n{claimed['scope']}\n{digest}"
    key = b"AWS4" + SIGNING_SECRET.encode()
    for part in claimed["scope"].split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, to_sign.encode(), "sha256").hex()
