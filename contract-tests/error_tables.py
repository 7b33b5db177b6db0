"""What each provider answers when it fails, and what a client is told of it; written from the providers' documents."""

import json
from typing import NamedTuple

SECRETS = "sk-proj-canary0123456789abcdef https://internal.example/path?key=canary-in-a-url"


class Told(NamedTuple):
    """What the client gets."""

    status: int
    type: str
    code: str
    param: str | None = None


INVALID = Told(400, "invalid_request_error", "invalid_request")
UNSUPPORTED = Told(400, "invalid_request_error", "unsupported_parameter")
TOO_LONG = Told(400, "invalid_request_error", "context_length_exceeded", "messages")
POLICY = Told(400, "invalid_request_error", "content_policy_violation")
FILTERED = Told(400, "invalid_request_error", "content_filter")
TOO_LARGE = Told(413, "invalid_request_error", "request_too_large")
NO_MODEL = Told(404, "invalid_request_error", "model_not_found", "model")
CREDENTIALS = Told(502, "server_error", "upstream_credentials")
LIMITED = Told(429, "rate_limit_error", "upstream_rate_limited")
OVERLOADED = Told(503, "server_error", "upstream_overloaded")
FAILED = Told(502, "server_error", "upstream_error")
LATE = Told(504, "server_error", "upstream_timeout")


class Case(NamedTuple):
    """What a provider answers, and what the client is told of it."""

    status: int
    body: object
    told: Told
    headers: tuple[tuple[str, str], ...] = ()


def openai_error(message: str, code: str | None = None, kind: str = "invalid_request_error", **more: object) -> dict:
    return {"error": {"message": message, "type": kind, "param": None, "code": code} | more}


def anthropic_error(kind: str, message: str = "Something.") -> dict:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_body"}


def google_error(status: int, name: str, message: str = "Something.", reason: str | None = None) -> dict:
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}] if reason else []
    return {"error": {"code": status, "message": message, "status": name, "details": details}}


def routed(code: int, message: str, **metadata: object) -> dict:
    """What OpenRouter says itself."""
    return {"error": {"code": code, "message": message, "metadata": metadata}, "user_id": "user_1"}


def behind(code: int, raw: object) -> dict:
    """What OpenRouter passes on of the provider behind it: a text, or its body in one."""
    text = raw if isinstance(raw, str) else json.dumps(raw)
    return routed(code, "Provider returned error", raw=text, provider_name="Someone")


def aws(status: int, name: str, message: str, told: Told) -> Case:
    headers = (("x-amzn-errortype", f"{name}:http://internal.amazon.com/coral/"), ("x-amzn-requestid", "upstream-1"))
    return Case(status, {"message": message}, told, headers)


OPENAI = {
    "invalid": Case(
        400, openai_error("No.", param="messages[0].content"), INVALID._replace(param="messages[0].content")
    ),
    "slug": Case(400, openai_error("No.", "invalid_value", param="n"), Told(400, INVALID.type, "invalid_value", "n")),
    "unsupported": Case(
        400, openai_error("No.", "unsupported_parameter", param="stop"), UNSUPPORTED._replace(param="stop")
    ),
    "context": Case(400, openai_error("Long.", "context_length_exceeded", param="messages"), TOO_LONG),
    "context in words": Case(400, openai_error("This model's maximum context length is 8192 tokens."), TOO_LONG),
    "context, vLLM": Case(
        400, {"object": "error", "message": "This model's maximum context length is 8 tokens.", "code": 400}, TOO_LONG
    ),
    "context, SGLang": Case(
        400,
        {"object": "error", "message": "The input (9 tokens) is longer than the model's context length (8)."},
        TOO_LONG,
    ),
    "context, xAI": Case(
        400, {"code": "x", "error": "This model's maximum prompt length is 8 but 9 were sent."}, TOO_LONG
    ),
    "no context: a long string": Case(
        400,
        openai_error("maximum context length is", "string_above_max_length"),
        Told(400, INVALID.type, "string_above_max_length"),
    ),
    "policy": Case(400, openai_error("No.", "content_policy_violation"), POLICY),
    "key": Case(401, openai_error(f"Incorrect API key provided: {SECRETS}", "invalid_api_key"), CREDENTIALS),
    "key under 400": Case(400, {"code": "x", "error": "Incorrect API key provided."}, CREDENTIALS),
    "money": Case(402, {"detail": "Payment required"}, CREDENTIALS),
    "forbidden": Case(403, openai_error("No.", "forbidden"), CREDENTIALS),
    "model": Case(404, openai_error("No.", "model_not_found"), NO_MODEL),
    "model under 400": Case(400, {"error": {"code": 400, "message": "a/b is not a valid model ID"}}, NO_MODEL),
    "large": Case(413, "", TOO_LARGE),
    "validation": Case(422, {"detail": [{"loc": ["body"], "msg": "field required"}]}, INVALID),
    "limit": Case(429, openai_error("Slow down.", "rate_limit_exceeded", "tokens"), LIMITED),
    "quota": Case(429, openai_error("Pay.", "insufficient_quota", "insufficient_quota"), CREDENTIALS),
    "server": Case(500, openai_error("Oops.", None, "server_error"), FAILED),
    "page": Case(502, "<html>Bad gateway at https://internal.example</html>", FAILED),
    "busy": Case(503, openai_error("Busy.", None, "overloaded"), OVERLOADED),
    "late": Case(504, "", LATE),
}
TABLE: dict[str, dict[str, Case]] = {
    "gpt": OPENAI,
    "llama": OPENAI,
    "gpt-azure": OPENAI
    | {
        "filter": Case(
            400,
            openai_error(
                "The response was filtered.",
                "content_filter",
                param="prompt",
                innererror={"code": "ResponsibleAIPolicyViolation"},
            ),
            FILTERED._replace(param="prompt"),
        ),
        "deployment": Case(404, {"error": {"code": "DeploymentNotFound", "message": "No."}}, NO_MODEL),
        "subscription": Case(
            401, {"error": {"code": "401", "message": "Access denied due to invalid key."}}, CREDENTIALS
        ),
    },
    "claude": {
        "invalid": Case(
            400,
            anthropic_error("invalid_request_error", "temperature: range: 0..1"),
            INVALID._replace(param="temperature"),
        ),
        "context": Case(
            400, anthropic_error("invalid_request_error", "prompt is too long: 9 tokens > 8 maximum"), TOO_LONG
        ),
        "context with output": Case(
            400,
            anthropic_error("invalid_request_error", "input length and `max_tokens` exceed context limit: 9 > 8"),
            TOO_LONG,
        ),
        "policy": Case(
            400, anthropic_error("invalid_request_error", "Output blocked by content filtering policy"), POLICY
        ),
        "credit": Case(
            400, anthropic_error("invalid_request_error", "Your credit balance is too low to access it."), CREDENTIALS
        ),
        "key": Case(401, anthropic_error("authentication_error", f"invalid x-api-key {SECRETS}"), CREDENTIALS),
        "money": Case(402, anthropic_error("billing_error"), CREDENTIALS),
        "forbidden": Case(403, anthropic_error("permission_error"), CREDENTIALS),
        "model": Case(404, anthropic_error("not_found_error", "model: claude-0"), NO_MODEL),
        "large": Case(413, anthropic_error("request_too_large"), TOO_LARGE),
        "limit": Case(429, anthropic_error("rate_limit_error"), LIMITED),
        "server": Case(500, anthropic_error("api_error"), FAILED),
        "late": Case(504, anthropic_error("timeout_error"), LATE),
        "busy": Case(529, anthropic_error("overloaded_error"), OVERLOADED),
        "page": Case(502, "<html></html>", FAILED),
    },
    "gemini": {
        "invalid": Case(400, google_error(400, "INVALID_ARGUMENT"), INVALID),
        "context": Case(
            400,
            google_error(
                400, "INVALID_ARGUMENT", "The input token count (9) exceeds the maximum number of tokens allowed (8)."
            ),
            TOO_LONG,
        ),
        "key": Case(
            400, google_error(400, "INVALID_ARGUMENT", f"API key not valid. {SECRETS}", "API_KEY_INVALID"), CREDENTIALS
        ),
        "precondition": Case(400, google_error(400, "FAILED_PRECONDITION", "User location is not supported."), FAILED),
        "forbidden": Case(403, google_error(403, "PERMISSION_DENIED"), CREDENTIALS),
        "model": Case(404, google_error(404, "NOT_FOUND"), NO_MODEL),
        "limit": Case(429, google_error(429, "RESOURCE_EXHAUSTED"), LIMITED),
        "server": Case(500, google_error(500, "INTERNAL"), FAILED),
        "busy": Case(503, google_error(503, "UNAVAILABLE"), OVERLOADED),
        "late": Case(504, google_error(504, "DEADLINE_EXCEEDED"), LATE),
        "page": Case(502, "<html></html>", FAILED),
    },
    "bedrock": {
        "invalid": aws(400, "ValidationException", "This model doesn't support the video content block.", INVALID),
        "context": aws(400, "ValidationException", "Input is too long for requested model.", TOO_LONG),
        "context, Nova": aws(400, "ValidationException", "Input Tokens Exceeded: 9 is more than 8.", TOO_LONG),
        "policy": aws(400, "ValidationException", "Output blocked by content filtering policy", POLICY),
        "model id": aws(400, "ValidationException", "The provided model identifier is invalid.", NO_MODEL),
        "key": aws(403, "UnrecognizedClientException", f"The token is invalid. {SECRETS}", CREDENTIALS),
        "expired": aws(403, "ExpiredTokenException", "The security token is expired", CREDENTIALS),
        "forbidden": aws(403, "AccessDeniedException", "You don't have access.", CREDENTIALS),
        "model": aws(404, "ResourceNotFoundException", "Not found.", NO_MODEL),
        "model late": aws(408, "ModelTimeoutException", "Late.", LATE),
        "model failed": aws(424, "ModelErrorException", "Failed.", FAILED),
        "limit": aws(429, "ThrottlingException", "Too many tokens, please wait before trying again.", LIMITED),
        "quota": aws(400, "ServiceQuotaExceededException", "Quota.", LIMITED),
        "not ready": aws(429, "ModelNotReadyException", "Not ready.", OVERLOADED),
        "server": aws(500, "InternalServerException", "Oops.", FAILED),
        "busy": aws(503, "ServiceUnavailableException", "Busy.", OVERLOADED),
    },
    "cohere": {
        "invalid": Case(400, {"message": "invalid request: message must be at least 1 token long"}, INVALID),
        "context": Case(400, {"message": "too many tokens: size limit exceeded by 9 tokens."}, TOO_LONG),
        "policy": Case(400, {"message": "your request was blocked by our filters"}, POLICY),
        "key": Case(401, {"id": "upstream-1", "message": f"invalid api token {SECRETS}"}, CREDENTIALS),
        "model": Case(404, {"message": "model 'x' not found, make sure the correct model ID was used"}, NO_MODEL),
        "limit": Case(429, {"message": "You are using a Trial key, which is limited to 40 calls / minute."}, LIMITED),
        "denied token": Case(498, {"message": "blocked"}, POLICY),
        "server": Case(500, {"message": "internal"}, FAILED),
        "busy": Case(503, {"message": "busy"}, OVERLOADED),
        "late": Case(504, {"message": "late"}, LATE),
    },
}
TABLE["mistral"] = OPENAI | {
    "model": Case(
        400, {"object": "error", "message": "Invalid model: x", "type": "invalid_model", "code": "1500"}, NO_MODEL
    ),
    "context": Case(
        400,
        {"object": "error", "message": "Prompt contains 9 tokens, too large for model with 8 maximum context length"},
        TOO_LONG,
    ),
}
TABLE["openrouter"] = {
    "invalid": Case(400, routed(400, "temperature must be at most 2"), INVALID),
    "model": Case(400, routed(400, "a/b is not a valid model ID"), NO_MODEL),
    "no endpoint": Case(404, routed(404, "No endpoints found for a/b."), NO_MODEL),
    "context": Case(
        400, routed(400, "This endpoint's maximum context length is 8 tokens. However, you requested 9."), TOO_LONG
    ),
    "context, by the provider behind": Case(
        400, behind(400, openai_error("This model's maximum context length is 8 tokens.")), TOO_LONG
    ),
    "invalid, by the provider behind": Case(400, behind(400, anthropic_error("invalid_request_error")), INVALID),
    "key": Case(401, routed(401, f"No auth credentials found {SECRETS}"), CREDENTIALS),
    "credits": Case(402, routed(402, "Your account or API key has insufficient credits."), CREDENTIALS),
    "forbidden": Case(403, routed(403, "Key limit exceeded."), CREDENTIALS),
    "moderation": Case(
        403,
        routed(403, "Input was flagged.", reasons=["violence"], flagged_input=SECRETS, provider_name="OpenAI"),
        POLICY,
    ),
    "late": Case(408, routed(408, "Timed out."), LATE),
    "large": Case(413, routed(413, "Too large."), TOO_LARGE),
    "limit": Case(429, routed(429, "Rate limit exceeded: free-models-per-min."), LIMITED),
    "limit, of the provider behind": Case(429, behind(429, "a/b:free is temporarily rate-limited upstream."), LIMITED),
    "server": Case(500, routed(500, "Internal Server Error"), FAILED),
    "provider behind": Case(502, behind(502, "<html>https://internal.example</html>"), FAILED),
    "no provider": Case(503, routed(503, "No available model provider meets your routing."), OVERLOADED),
    "busy": Case(529, routed(529, "Overloaded."), OVERLOADED),
    "page": Case(502, "<html>Bad gateway at https://internal.example</html>", FAILED),
}
TABLE["ollama-chat"] = {
    "invalid": Case(400, {"error": "invalid message role: x"}, INVALID),
    "tools": Case(400, {"error": "registry.ollama.ai/library/m:latest does not support tools"}, UNSUPPORTED),
    "thinking": Case(400, {"error": '"m" does not support thinking'}, UNSUPPORTED),
    "context": Case(400, {"error": "the input length exceeds the context length"}, TOO_LONG),
    "context, in the cloud": Case(400, {"error": "prompt too long; exceeded max context length by 9 tokens"}, TOO_LONG),
    "key": Case(401, {"error": f"unauthorized {SECRETS}"}, CREDENTIALS),
    "forbidden": Case(403, {"error": "this model requires a subscription"}, CREDENTIALS),
    "model": Case(404, {"error": "model 'm' not found"}, NO_MODEL),
    "model to pull": Case(404, {"error": 'model "m" not found, try pulling it first'}, NO_MODEL),
    "limit": Case(429, {"error": "you have reached your hourly usage limit"}, LIMITED),
    "server": Case(500, {"error": "llama runner process has terminated: exit status 2"}, FAILED),
    "memory": Case(500, {"error": "model requires more system memory (9 GiB) than is available (8 GiB)"}, FAILED),
    "busy": Case(503, {"error": "server busy, please try again. maximum pending requests exceeded"}, OVERLOADED),
    "cloud": Case(502, {"error": "upstream error at https://internal.example"}, FAILED),
    "page": Case(502, "<html>Bad gateway at https://internal.example</html>", FAILED),
}
TABLE["vertex-gemini"] = TABLE["gemini"]
TABLE["vertex-claude"] = {name: case for name, case in TABLE["claude"].items() if name != "page"} | {
    "google's limit": Case(429, google_error(429, "RESOURCE_EXHAUSTED"), LIMITED),
    "google's key": Case(401, google_error(401, "UNAUTHENTICATED"), CREDENTIALS),
}
