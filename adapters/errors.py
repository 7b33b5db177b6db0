"""The one exception that adapters raise, and the closed list of its kinds; knows no HTTP body of ours.

ProviderError
    kind              what happened, by fault domain (`ErrorKind`)
    status            upstream HTTP status, None where there was no answer
    code              upstream's own code, for the log
    message           upstream's words, redacted; safe to show where `kind.is_callers_fault`
    param             JSON path of the offending request field, where known
    retry_after_s     what upstream asked for, in seconds
    upstream_request_id   upstream's request id, for the log
    usage             what was consumed before it failed, None where that is nothing or the stream knows
    filtered          which filters met, where the content was refused and the provider says so
"""

import re
from enum import StrEnum

import msgspec

from schemas.errors import InnerError
from schemas.usage import Usage

MAX_MESSAGE_CHARS = 1000
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding JSON of a provider can raise: wrong JSON or types, wrong UTF-8, nesting without end."""


class ErrorKind(StrEnum):
    """What went wrong, by whose fault it is. Kinds, never message texts, decide on retry and on the client's answer."""

    # the caller's fault: never retried
    INVALID_REQUEST = "invalid_request"
    INVALID_TOOL_HISTORY = "invalid_tool_history"
    UNSUPPORTED_PARAMETER = "unsupported_parameter"
    CONTEXT_LENGTH = "context_length"
    CONTENT_POLICY = "content_policy"
    REQUEST_TOO_LARGE = "request_too_large"
    # the deployment's fault: another deployment may do
    MODEL_NOT_FOUND = "model_not_found"
    CREDENTIALS = "credentials"
    # the provider's fault: retried
    RATE_LIMIT = "rate_limit"
    OVERLOADED = "overloaded"
    SERVER_ERROR = "server_error"
    BAD_RESPONSE = "bad_response"
    CONNECTION = "connection"
    # the provider's fault, and the deployment may still be at work, which is charged: only another one is tried
    TIMEOUT = "timeout"

    @property
    def is_callers_fault(self) -> bool:
        """Whether the same request would fail everywhere."""
        return self in _CALLERS_FAULT

    @property
    def is_retryable(self) -> bool:
        """Whether the same deployment may succeed on a later attempt."""
        return self in _RETRYABLE


_CALLERS_FAULT = frozenset(
    {
        ErrorKind.INVALID_REQUEST,
        ErrorKind.INVALID_TOOL_HISTORY,
        ErrorKind.UNSUPPORTED_PARAMETER,
        ErrorKind.CONTEXT_LENGTH,
        ErrorKind.CONTENT_POLICY,
        ErrorKind.REQUEST_TOO_LARGE,
    }
)
_RETRYABLE = frozenset(
    {
        ErrorKind.RATE_LIMIT,
        ErrorKind.OVERLOADED,
        ErrorKind.SERVER_ERROR,
        ErrorKind.BAD_RESPONSE,
        ErrorKind.CONNECTION,
    }
)


class ProviderError(Exception):
    """The only exception that leaves an adapter."""

    def __init__(  # noqa: PLR0913 - the fields of one flat value
        self,
        kind: ErrorKind,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        param: str | None = None,
        retry_after_s: float | None = None,
        upstream_request_id: str | None = None,
    ) -> None:
        self.message = redact(message)
        super().__init__(self.message)
        self.kind = kind
        self.status = status
        self.code = None if code is None else redact(code)  # a provider may say anything in any place
        self.param = None if param is None else redact(param)
        self.retry_after_s = retry_after_s
        self.upstream_request_id = upstream_request_id
        self.usage: Usage | None = None
        self.filtered: InnerError | None = None

    @property
    def is_retryable(self) -> bool:
        """Whether the same deployment may succeed on a later attempt.

        So it is of a kind that is retryable, and of a time-out that the provider itself answered with (408, 504): it
        has ended its work. Where we stopped waiting, trying again would pay for a second answer to one request.
        """
        return self.kind.is_retryable or (self.kind is ErrorKind.TIMEOUT and self.status is not None)


def bad_response() -> ProviderError:
    """Return the error for an answer that is not what the provider's API promises."""
    return ProviderError(ErrorKind.BAD_RESPONSE, "The provider's answer is not what its API promises.")


STATUS_KINDS: dict[int, ErrorKind] = {
    400: ErrorKind.INVALID_REQUEST,
    401: ErrorKind.CREDENTIALS,
    402: ErrorKind.CREDENTIALS,
    403: ErrorKind.CREDENTIALS,
    404: ErrorKind.MODEL_NOT_FOUND,
    408: ErrorKind.TIMEOUT,
    409: ErrorKind.SERVER_ERROR,
    413: ErrorKind.REQUEST_TOO_LARGE,
    422: ErrorKind.INVALID_REQUEST,
    429: ErrorKind.RATE_LIMIT,
    498: ErrorKind.OVERLOADED,  # Groq: no room for the flex tier
    501: ErrorKind.INVALID_REQUEST,  # something that the server does not have, or was not started for
    503: ErrorKind.OVERLOADED,
    504: ErrorKind.TIMEOUT,
    524: ErrorKind.TIMEOUT,  # Cloudflare: the server behind did not answer in time
    529: ErrorKind.OVERLOADED,
}


def kind_of_status(status: int) -> ErrorKind:
    """Return the kind for an HTTP status where the body says nothing better."""
    kind = STATUS_KINDS.get(status)
    if kind is not None:
        return kind
    if 400 <= status < 500:
        return ErrorKind.INVALID_REQUEST
    return ErrorKind.SERVER_ERROR if status >= 500 else ErrorKind.BAD_RESPONSE


_CONTEXT_MARKS = (
    "maximum context length is",
    "prompt is too long",
    "exceed context limit",
    "exceeds the maximum number of tokens allowed",
    "longer than the model's context length",
    "exceeds the available context size",
    "maximum prompt length is",
    "longer than the maximum model length",  # vLLM
    "the model's context length is only",
    "exceeds the model's maximum context length",  # SGLang
    "tokens) exceeds the maximum allowed length",
    "`inputs` tokens + `max_new_tokens` must be <=",  # TGI, Together
    "when context the overflows",  # LM Studio
    "initial prompt is greater than the context length",
    "exceeded model token limit",  # Moonshot
    "prompt exceeds max length",  # Z.ai
    "range of input length should be",  # Alibaba
    "because the input token count is",  # Vertex AI
)


def is_context_overflow(code: str | None, message: str) -> bool:
    """Return whether an error means that the prompt is too long for the model (BEHAVIOUR: the fixed list of marks)."""
    if code == "context_length_exceeded":
        return True
    if code == "string_above_max_length":
        return False
    lowered = message.lower()
    return any(mark in lowered for mark in _CONTEXT_MARKS)


# Bounded and possessive wherever a repeated beginning would have the rest of the text read again and again.
_SECRETS = re.compile(
    r"""(?x)
    \b(?i:https?|wss?)://[^\s"'<>)\]]+                                   # URLs
    | \b(?:sk|pk|rk|gsk|csk|xai|hf|r8|pplx|nvapi|fw|tgp|aq|org|gh[opsu])[-_]  # keys and accounts by prefix,
      (?=[A-Za-z_.\-]{0,64}[0-9*])[A-Za-z0-9_.*\-]{8,}                         #   which hold a digit or are masked
    | \bAIza[A-Za-z0-9_\-*]{12,} | \bAKIA[A-Z0-9]{12,} | \bya29\.\S+ | \beyJ[A-Za-z0-9_\-]{8,1024}+\.\S+
    | (?i:\b(?:bearer|basic)\s+) (?=\S*[0-9])\S{12,}
    | (?i:\b(?:api[-_ ]?key|token|secret|password|authorization)) ["']?\s*[:=]\s*["']?
      (?=[^\s"',0-9]{0,256}+[0-9])[^\s"',]{8,}
    | \b(?=[A-Za-z]*[0-9])(?=[0-9]*[A-Za-z])[A-Za-z0-9]{32,}\b            # keys without a prefix
    | (?<![A-Za-z0-9_.\-])[A-Za-z0-9_.\-]{0,64}\*{4,}[A-Za-z0-9_.*\-]*     # masked keys
    """
)


def redact(message: str) -> str:
    """Return `message` without URLs and keys, and at most `MAX_MESSAGE_CHARS` characters long."""
    limit = 4 * MAX_MESSAGE_CHARS
    if len(message) > limit:
        message = message[:limit].rpartition(" ")[0]  # a key that is cut would not be known for one
    return _SECRETS.sub("[redacted]", message)[:MAX_MESSAGE_CHARS]
