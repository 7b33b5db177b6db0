"""Failures as providers word them, each with the kind that decides on retry, cooldown and what is told.

Texts of xAI, Groq, Anthropic and vLLM stand as they were quoted in public issues, with names of accounts replaced;
those of others as their users know them, without a source to point to. A wrong kind is felt: a policy's refusal taken
for a bad key takes the deployment away from everybody, an empty account taken for a busy one is asked again and again.
"""

import json
from collections.abc import Callable

import pytest

from adapters.anthropic import errors as anthropic
from adapters.errors import ErrorKind, ProviderError
from adapters.exchange import Failure
from adapters.google import errors as google
from adapters.openai import errors as openai

ACCOUNT = "org_01kgg5588eftc8k70aes4864eb"
TOO_LARGE = (
    f"Request too large for model `llama-3.3-70b-versatile` in organization `{ACCOUNT}` service "
    "tier `on_demand` on tokens "
    "per minute (TPM): Limit 12000, Requested 14137, please reduce your message size and try again."
)
SPENT = (
    "Your team 16f2151a-40f4-4a80-8ad0-cae00c27e8dd has either used all available credits or "
    "reached its monthly spending "
    "limit. To continue making API requests, please purchase more credits or raise your spending limit."
)
UNSAFE = (
    "Content violates usage guidelines. Team: 16f2151a-40f4-4a80-8ad0-cae00c27e8dd, API key ID: x, Model: grok-4-0709, "
    "Failed check: SAFETY_CHECK_TYPE_BIO"
)


def said(message: str, code: str | None = None, kind: str | None = None) -> dict[str, object]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def anthropics(kind: str, message: str) -> dict[str, object]:
    return {"type": "error", "error": {"type": kind, "message": message}}


def googles(code: int, status: str, message: str) -> dict[str, object]:
    return {"error": {"code": code, "message": message, "status": status}}


ToError = Callable[[Failure], ProviderError]
CASES: list[tuple[str, ToError, int, object, ErrorKind]] = [
    (
        "OpenAI, overloaded",
        openai.to_error,
        503,
        said("The engine is currently overloaded, please try again later", None, "server_error"),
        ErrorKind.OVERLOADED,
    ),
    (
        "OpenAI, a request beyond the limit",
        openai.to_error,
        429,
        said(
            "Request too large for gpt-4o in organization org-x1 on tokens per min (TPM): Limit 30000, "
            "Requested 342389. "
            "The input or output tokens must be reduced in order to run successfully.",
            "rate_limit_exceeded",
            "tokens",
        ),
        ErrorKind.REQUEST_TOO_LARGE,
    ),
    (
        "OpenAI, limit of a day",
        openai.to_error,
        429,
        said(
            "Rate limit reached for gpt-4o on requests per day (RPD): Limit 200, Used 200, Requested 1.",
            "rate_limit_exceeded",
            "requests",
        ),
        ErrorKind.RATE_LIMIT,
    ),
    (
        "OpenAI, country",
        openai.to_error,
        403,
        said(
            "Country, region, or territory not supported", "unsupported_country_region_territory", "request_forbidden"
        ),
        ErrorKind.CREDENTIALS,
    ),
    (
        "Groq, a request beyond the limit",
        openai.to_error,
        413,
        said(TOO_LARGE, "rate_limit_exceeded", "tokens"),
        ErrorKind.REQUEST_TOO_LARGE,
    ),
    (
        "Groq, flex",
        openai.to_error,
        498,
        said("The flex tier is at capacity", "capacity_exceeded", "internal_server_error"),
        ErrorKind.OVERLOADED,
    ),
    (
        "xAI, credits under 429",
        openai.to_error,
        429,
        {"code": "Some resource has been exhausted", "error": SPENT},
        ErrorKind.CREDENTIALS,
    ),
    (
        "xAI, credits under 403",
        openai.to_error,
        403,
        {"code": "permission-denied", "error": SPENT},
        ErrorKind.CREDENTIALS,
    ),
    (
        "xAI, safety check",
        openai.to_error,
        403,
        {"code": "The caller does not have permission to execute the specified operation", "error": UNSAFE},
        ErrorKind.CONTENT_POLICY,
    ),
    (
        "xAI, parameter",
        openai.to_error,
        400,
        {"code": "invalid-argument", "error": "Model grok-4.6 does not support parameter stop."},
        ErrorKind.UNSUPPORTED_PARAMETER,
    ),
    (
        "vLLM, prompt with images",
        openai.to_error,
        400,
        said(
            "The decoder prompt (length 337896) is longer than the maximum model length of 128000. Make sure that "
            "`max_model_len` is no smaller than the number of text tokens plus multimodal tokens.",
            "400",
            "BadRequestError",
        ),
        ErrorKind.CONTEXT_LENGTH,
    ),
    (
        "vLLM, prompt and answer",
        openai.to_error,
        400,
        said(
            "You passed 30001 input tokens and requested 4096 output tokens. However, the model's "
            "context length is only "
            "32768 tokens, resulting in a maximum input length of 28672 tokens.",
            "400",
            "BadRequestError",
        ),
        ErrorKind.CONTEXT_LENGTH,
    ),
    (
        "SGLang, prompt and answer",
        openai.to_error,
        400,
        {
            "object": "error",
            "message": "Requested token count exceeds the model's maximum context length of 32768 "
            "tokens. You requested a "
            "total of 40000 tokens: 36000 tokens from the input messages and 4000 tokens for the completion.",
            "type": "BadRequestError",
            "code": 400,
        },
        ErrorKind.CONTEXT_LENGTH,
    ),
    (
        "SGLang, prompt",
        openai.to_error,
        400,
        {
            "object": "error",
            "message": "Input length (40001 tokens) exceeds the maximum allowed length (32762 tokens).",
        },
        ErrorKind.CONTEXT_LENGTH,
    ),
    (
        "TGI and Together",
        openai.to_error,
        422,
        said(
            "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8193. Given: 9000 "
            "`inputs` tokens and 512"
        ),
        ErrorKind.CONTEXT_LENGTH,
    ),
    (
        "LM Studio, answer",
        openai.to_error,
        400,
        {
            "error": "Trying to keep the first 5000 tokens when context the overflows. However, the "
            "model is loaded with context "
            "length of only 4096 tokens, which is not enough."
        },
        ErrorKind.CONTEXT_LENGTH,
    ),
    (
        "LM Studio, prompt",
        openai.to_error,
        400,
        {"error": "The number of tokens to keep from the initial prompt is greater than the context length."},
        ErrorKind.CONTEXT_LENGTH,
    ),
    (
        "Moonshot, prompt",
        openai.to_error,
        400,
        said("Invalid request: Your request exceeded model token limit: 131072", None, "invalid_request_error"),
        ErrorKind.CONTEXT_LENGTH,
    ),
    (
        "Moonshot, account",
        openai.to_error,
        429,
        said(
            "Your account is suspended, please check your plan and billing details",
            None,
            "exceeded_current_quota_error",
        ),
        ErrorKind.CREDENTIALS,
    ),
    (
        "Moonshot, busy",
        openai.to_error,
        429,
        said("The engine is currently overloaded, please try again later", None, "engine_overloaded_error"),
        ErrorKind.OVERLOADED,
    ),
    (
        "Z.ai, balance",
        openai.to_error,
        429,
        said("Insufficient balance or no resource package. Please recharge.", "1113"),
        ErrorKind.CREDENTIALS,
    ),
    ("Z.ai, prompt", openai.to_error, 400, said("Prompt exceeds max length", "1261"), ErrorKind.CONTEXT_LENGTH),
    (
        "DeepSeek, balance",
        openai.to_error,
        402,
        said("Insufficient Balance", "invalid_request_error", "unknown_error"),
        ErrorKind.CREDENTIALS,
    ),
    (
        "Alibaba, prompt",
        openai.to_error,
        400,
        said(
            "<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 129024]",
            "invalid_parameter_error",
        ),
        ErrorKind.CONTEXT_LENGTH,
    ),
    (
        "Alibaba, filter",
        openai.to_error,
        400,
        said("Input data may contain inappropriate content.", "data_inspection_failed", "data_inspection_failed"),
        ErrorKind.CONTENT_POLICY,
    ),
    (
        "Alibaba, arrears",
        openai.to_error,
        400,
        said("Access denied, please make sure your account is in good standing.", "Arrearage", "Arrearage"),
        ErrorKind.CREDENTIALS,
    ),
    (
        "Fireworks, account",
        openai.to_error,
        412,
        said(
            "Account acme is suspended, possibly due to reaching the monthly spending limit or failure "
            "to pay past invoices.",
            "PRECONDITION_FAILED",
            "error",
        ),
        ErrorKind.CREDENTIALS,
    ),
    (
        "GitHub Models, prompt",
        openai.to_error,
        413,
        said("Request body too large for gpt-4o model. Max size: 8000 tokens.", "tokens_limit_reached"),
        ErrorKind.CONTEXT_LENGTH,
    ),
    (
        "Azure, limit",
        openai.to_error,
        429,
        said(
            "Requests to the ChatCompletions_Create Operation have exceeded token rate limit of your "
            "current pricing tier.",
            "429",
        ),
        ErrorKind.RATE_LIMIT,
    ),
    (
        "Cerebras, busy",
        openai.to_error,
        429,
        {
            "message": "We're experiencing high traffic right now! Please try again soon.",
            "type": "too_many_requests_error",
            "param": "queue",
            "code": "queue_exceeded",
        },
        ErrorKind.OVERLOADED,
    ),
    (
        "Anthropic, limit of the account",
        anthropic.to_error,
        400,
        anthropics(
            "invalid_request_error",
            "You have reached your specified API usage limits. You will regain access on 2026-04-01 at 00:00 UTC.",
        ),
        ErrorKind.CREDENTIALS,
    ),
    (
        "Anthropic, credits for long prompts",
        anthropic.to_error,
        429,
        anthropics("rate_limit_error", "Extra usage is required for long context requests."),
        ErrorKind.CONTEXT_LENGTH,
    ),
    (
        "Anthropic, the same in later words",
        anthropic.to_error,
        429,
        anthropics("rate_limit_error", "Usage credits are required for long context requests."),
        ErrorKind.CONTEXT_LENGTH,
    ),
    (
        "Anthropic, limit",
        anthropic.to_error,
        429,
        anthropics("rate_limit_error", "This request would exceed your account's rate limit. Please try again later."),
        ErrorKind.RATE_LIMIT,
    ),
    (
        "Anthropic, overloaded",
        anthropic.to_error,
        529,
        anthropics("overloaded_error", "Overloaded"),
        ErrorKind.OVERLOADED,
    ),
    (
        "Vertex, prompt",
        google.to_error,
        400,
        googles(
            400,
            "INVALID_ARGUMENT",
            "Unable to submit request because the input token count is 2500021 but model only supports "
            "up to 1048576. Reduce "
            "the input token count and try again.",
        ),
        ErrorKind.CONTEXT_LENGTH,
    ),
    (
        "Gemini, leaked key",
        google.to_error,
        403,
        googles(403, "PERMISSION_DENIED", "Your API key was reported as leaked. Please use another API key."),
        ErrorKind.CREDENTIALS,
    ),
    (
        "Gemini, overloaded",
        google.to_error,
        503,
        googles(503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
        ErrorKind.OVERLOADED,
    ),
]


@pytest.mark.parametrize(
    ("to_error", "status", "body", "kind"), [case[1:] for case in CASES], ids=[one[0] for one in CASES]
)
def test_reported_error_is_of_its_kind(to_error: ToError, status: int, body: object, kind: ErrorKind) -> None:
    error = to_error(Failure(status, {}, json.dumps(body).encode()))
    assert error.kind is kind


@pytest.mark.parametrize("account", [ACCOUNT, "org-AbCdEf1234567890GhIjKl"])
def test_reported_error_does_not_tell_the_account(account: str) -> None:
    """Whose key the gateway has is not the client's to know; what is wrong with the request is."""
    body = json.dumps(said(TOO_LARGE.replace(ACCOUNT, account), "rate_limit_exceeded")).encode()
    message = openai.to_error(Failure(413, {}, body)).message
    assert account not in message
    assert message.endswith("Limit 12000, Requested 14137, please reduce your message size and try again.")
