"""Attempts that fail are noted in the same words as the requests that they belong to."""

import pytest

from adapters.errors import ErrorKind, ProviderError
from aqueduct.api.errors import from_provider
from aqueduct.errors import PROVIDER_ERROR_TYPES
from aqueduct.ids import RequestIds
from aqueduct.pipeline.attempt_log import attempts_of, note_failure
from aqueduct.pipeline.context import RequestContext


@pytest.mark.parametrize("kind", list(ErrorKind))
def test_failed_attempt_has_the_error_kind_that_its_request_would_have(kind: ErrorKind) -> None:
    context = RequestContext(RequestIds()(), "/v1/chat/completions", "chat")
    error = ProviderError(kind, "No.", status=500)
    context.attempts = 1
    note_failure(context, error)
    context.attempts = 2
    context.error_kind = from_provider(error).kind

    failed, last = attempts_of(context, 1.0)

    assert failed.error_kind == last.error_kind == PROVIDER_ERROR_TYPES[kind].value
    is_callers = kind.is_callers_fault and kind is not ErrorKind.CONTENT_POLICY
    assert failed.error_kind.startswith("caller_" if is_callers else "provider_")
    assert failed.upstream_status == 500
