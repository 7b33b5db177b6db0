"""Every failure has its status, type and code, and says when to try again."""

import msgspec
import pytest

from adapters.errors import ErrorKind, ProviderError
from aqueduct.api.errors import encode_error, from_gateway, from_provider, internal_error
from aqueduct.errors import invalid_request, model_not_found

EXPECTED = {
    ErrorKind.INVALID_REQUEST: (400, "invalid_request_error", "invalid_request"),
    ErrorKind.INVALID_TOOL_HISTORY: (400, "invalid_request_error", "invalid_tool_history"),
    ErrorKind.UNSUPPORTED_PARAMETER: (400, "invalid_request_error", "unsupported_parameter"),
    ErrorKind.CONTEXT_LENGTH: (400, "invalid_request_error", "context_length_exceeded"),
    ErrorKind.CONTENT_POLICY: (400, "invalid_request_error", "content_policy_violation"),
    ErrorKind.REQUEST_TOO_LARGE: (413, "invalid_request_error", "request_too_large"),
    ErrorKind.MODEL_NOT_FOUND: (404, "invalid_request_error", "model_not_found"),
    ErrorKind.CREDENTIALS: (502, "server_error", "upstream_credentials"),
    ErrorKind.RATE_LIMIT: (429, "rate_limit_error", "upstream_rate_limited"),
    ErrorKind.OVERLOADED: (503, "server_error", "upstream_overloaded"),
    ErrorKind.SERVER_ERROR: (502, "server_error", "upstream_error"),
    ErrorKind.BAD_RESPONSE: (502, "server_error", "upstream_error"),
    ErrorKind.CONNECTION: (502, "server_error", "upstream_error"),
    ErrorKind.TIMEOUT: (504, "server_error", "upstream_timeout"),
}


@pytest.mark.parametrize("kind", list(ErrorKind))
def test_provider_error_of_every_kind_is_told_as_described(kind: ErrorKind) -> None:
    wire = from_provider(ProviderError(kind, "no: key sk-abcdefghijkl0123456789 at https://host.invalid/x"))

    assert (wire.status, wire.body.error.type, wire.body.error.code) == EXPECTED[kind]
    told = encode_error(wire.body)
    assert b"sk-abc" not in told
    assert b"host.invalid" not in told
    assert set(msgspec.to_builtins(wire.body.error)) == {"message", "type", "param", "code"}


@pytest.mark.parametrize("after_s", [0.0, 0.2, 1.0, 1.01, 119.5])
def test_retry_after_is_rounded_up_in_both_units(after_s: float) -> None:
    headers = dict(from_provider(ProviderError(ErrorKind.RATE_LIMIT, "no", retry_after_s=after_s)).headers())

    seconds, milliseconds = int(headers[b"retry-after"]), int(headers[b"retry-after-ms"])
    assert max(after_s, 0.001) <= seconds < after_s + 1.001
    assert after_s * 1000 <= milliseconds <= max(1, after_s * 1000 + 1)


def test_error_without_retry_after_sends_no_such_header() -> None:
    assert from_gateway(invalid_request("invalid_value", "no", "a")).headers() == []
    assert internal_error().headers() == []


def test_model_not_found_repeats_a_long_name_only_in_part() -> None:
    assert len(model_not_found("m" * 10_000).message) < 300
