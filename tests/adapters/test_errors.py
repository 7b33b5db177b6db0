"""The table of kinds, and what `redact` hides and leaves."""

import timeit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.errors import (
    MAX_MESSAGE_CHARS,
    ErrorKind,
    ProviderError,
    is_context_overflow,
    kind_of_status,
    redact,
)

SECRETS = [
    "sk-abcdefghijklmnop1234567890ABCDEFGHIJ",
    "sk-proj-Ab1_Cd2-Ef3Gh4Ij5Kl6Mn7Op8Qr9St0",
    "sk-svcacct-0123456789abcdef",
    "sk-ant-api03-AbCdEf_0123456789-AbCdEfGhAA",
    "sk-or-v1-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "gsk_0123456789abcdefghijABCDEFGHIJ",
    "xai-0123456789abcdefghijABCDEFGHIJ",
    "csk-0123456789abcdefghij",
    "pplx-0123456789abcdefghij0123456789",
    "hf_AbCdEfGhIjKlMn0pQrStUvWxYz",
    "r8_0123456789abcdefghij",
    "nvapi-0123456789-abcdefghij",
    "fw_0123456789abcdef",
    "aq_0123456789abcdefghij",
    "ghp_0123456789abcdefghijABCDEFGHIJ012345",
    "AIzaSyA0123456789abcdefghijklmnopqrstuvw",
    "AKIAIOSFODNN7EXAMPLE",
    "ya29.a0AfH6SMBx0123456789",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    "0123456789abcdef0123456789abcdef",
    "Zm9vYmFyMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkw",
    "sk-abcd********************wxyz",
    "sk-*****1234",
    "****1234",
    "https://internal.example:8443/v1/chat?key=abc",
    "http://10.0.0.7:8000/v1",
    "HTTPS://UPSTREAM.EXAMPLE/x",
    "wss://upstream.example/realtime",
]
WORDS = [
    "Incorrect API key provided: . You can find your API key in your account.",
    "The keyboardshortcuts and keyword_arguments of skateboarding skyscrapers, peer-reviewed.",
    "Invalid token: expected a string at messages[2].content, got object.",
    "Bearer authentication is required. Basic authentication is not supported.",
    "This model's maximum context length is 128000 tokens. However, you requested 200000 tokens.",
    "The model `claude-sonnet-4-5-20250929` does not exist; try meta-llama/Llama-3.3-70B-Instruct-Turbo.",
    "max_completion_tokens must be at least 16; key-value-store; hf_transfer; pk-column; aq_model.",
    "tool_calls[0].id call_0123456789abcdefghijklmn toolu_01A09q90qw90lq917835lq9 was not found.",
    "Request req_011CSHoEeqs5C35K2UUqR7Fy failed, 550e8400-e29b-41d4-a716-446655440000.",
    "It is **bold** and ***very bold***; 2 ** 8 == 256; supercalifragilisticexpialidociousandmore.",
    "Passwort: bitte, secret: none, authorization: missing",
    "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft",
    "日本語のエラーメッセージ 12345678901234567890123456789012345",
]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("frame", ["{}", "Incorrect API key provided: {}.", 'bad "{}"', "({}),", "key={}", "Bearer {}"])
def test_redact_secret_anywhere_is_hidden(secret: str, frame: str) -> None:
    shown = redact(frame.format(secret))
    assert "[redacted]" in shown
    assert secret[:12] not in shown
    assert secret[-8:] not in shown


@pytest.mark.parametrize(
    "text", ["api_key: hunter2hunter2", "token=hunter2-hunter2", '"password": "hunter22"', "Basic dXNlcjpodW50ZXIy"]
)
def test_redact_named_secret_is_hidden(text: str) -> None:
    assert "unter2" not in redact(text)
    assert "ZXIy" not in redact(text)


@pytest.mark.parametrize("text", WORDS)
def test_redact_ordinary_words_stay(text: str) -> None:
    assert redact(text) == text


@given(st.text(st.characters(categories=["Ll", "Lu", "Zs", "Po"], exclude_characters="*"), max_size=300))
def test_redact_text_without_digits_stays_unless_it_is_a_url(text: str) -> None:
    if "://" not in text and "eyJ" not in text and "AIza" not in text and "AKIA" not in text and "ya29" not in text:
        assert redact(text) == text


def test_redact_long_text_is_cut_without_leaving_half_a_key() -> None:
    text = "https://upstream.example/" + "x" * 3950 + " sk-proj-" + "Ab1" * 20
    assert redact(text) == "[redacted]"
    assert len(redact("word " * 2000)) == MAX_MESSAGE_CHARS


@pytest.mark.parametrize(
    "piece",
    [
        "a", "1a", "*", "***x", "-.", "_", "http://", "https", "sk-", "sk-a-", "gsk_", "hf_a_", "r8_.", "ghp_", "AIza",
        "AIza-", "AKIA", "AKIAA", "ya29.", "ya29", "eyJ", "eyJ-", "eyJ_", "eyJa.", "eyJabcdefgh", "bearer ", "basic x",
        "token=", "token:", "api_key: ", "api-key='", "secret=x", "password ", "authorization: bearer ",
    ],
)  # fmt: skip
def test_redact_takes_no_longer_for_hostile_texts(piece: str) -> None:
    text = (piece * 4000)[: 4 * MAX_MESSAGE_CHARS]
    assert min(timeit.repeat(lambda: redact(text), number=1, repeat=5)) < 0.02  # generous: it takes 1 to 5 ms


def test_provider_error_shows_a_secret_in_none_of_its_texts() -> None:
    """TRAPS 24."""
    error = ProviderError(ErrorKind.CREDENTIALS, f"Incorrect API key provided: {SECRETS[0]}")
    assert SECRETS[0] not in f"{error} {error!r} {error.message} {error.args}"


@pytest.mark.parametrize(
    ("status", "kind", "is_retryable", "is_callers_fault"),
    [
        (400, ErrorKind.INVALID_REQUEST, False, True),
        (401, ErrorKind.CREDENTIALS, False, False),
        (402, ErrorKind.CREDENTIALS, False, False),
        (403, ErrorKind.CREDENTIALS, False, False),
        (404, ErrorKind.MODEL_NOT_FOUND, False, False),
        (408, ErrorKind.TIMEOUT, True, False),
        (409, ErrorKind.SERVER_ERROR, True, False),
        (413, ErrorKind.REQUEST_TOO_LARGE, False, True),
        (418, ErrorKind.INVALID_REQUEST, False, True),
        (422, ErrorKind.INVALID_REQUEST, False, True),
        (429, ErrorKind.RATE_LIMIT, True, False),
        (500, ErrorKind.SERVER_ERROR, True, False),
        (501, ErrorKind.INVALID_REQUEST, False, True),
        (502, ErrorKind.SERVER_ERROR, True, False),
        (503, ErrorKind.OVERLOADED, True, False),
        (504, ErrorKind.TIMEOUT, True, False),
        (529, ErrorKind.OVERLOADED, True, False),
        (599, ErrorKind.SERVER_ERROR, True, False),
        (302, ErrorKind.BAD_RESPONSE, True, False),
        (100, ErrorKind.BAD_RESPONSE, True, False),
    ],
)
def test_kind_of_status_follows_the_table(
    status: int, kind: ErrorKind, is_retryable: bool, is_callers_fault: bool
) -> None:
    error = ProviderError(kind_of_status(status), "m", status=status)
    assert (error.kind, error.is_retryable, error.kind.is_callers_fault) == (kind, is_retryable, is_callers_fault)


def test_timeout_of_our_own_is_not_retryable_and_the_providers_is() -> None:
    """Who stops waiting leaves a generation running that is charged; who answers 504 has ended it."""
    assert not ErrorKind.TIMEOUT.is_retryable
    assert not ProviderError(ErrorKind.TIMEOUT, "The provider did not answer in time.").is_retryable
    assert ProviderError(ErrorKind.TIMEOUT, "upstream", status=504).is_retryable
    assert ProviderError(ErrorKind.CONNECTION, "lost").is_retryable


def test_kinds_are_never_both_retryable_and_the_callers_fault() -> None:
    assert [kind for kind in ErrorKind if kind.is_retryable and kind.is_callers_fault] == []


@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        ("context_length_exceeded", "", True),
        (None, "This model's maximum context length is 8192 tokens.", True),
        (None, "prompt is too long: 210000 tokens > 200000 maximum", True),
        (None, "input length and `max_tokens` exceed context limit: 199000 + 8192 > 200000", True),
        (None, "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).", True),
        (None, "the prompt is LONGER THAN THE MODEL'S CONTEXT LENGTH", True),
        (None, "the request exceeds the available context size", True),
        ("string_above_max_length", "maximum context length is", False),
        (None, "max_tokens is too large", False),
        ("invalid_request_error", "", False),
    ],
)
def test_is_context_overflow_knows_the_fixed_marks_only(code: str | None, message: str, expected: bool) -> None:
    assert is_context_overflow(code, message) is expected
