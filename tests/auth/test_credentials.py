import timeit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aqueduct.auth.credentials import MAX_TOKEN_BYTES, Refusal, credentials_from_headers

TOKEN = b"aq_" + b"x" * 40
OTHER = b"aq_" + b"y" * 40


@pytest.mark.parametrize(
    "headers",
    [
        [(b"authorization", b"Bearer " + TOKEN)],
        [(b"authorization", b"bearer   " + TOKEN + b" \t")],
        [(b"x-api-key", TOKEN)],
        [(b"api-key", TOKEN)],
        [(b"x-goog-api-key", TOKEN)],
        [(b"host", b"x"), (b"authorization", b"BEARER " + TOKEN), (b"x-api-key", TOKEN)],
        [(b"authorization", b"Bearer " + TOKEN), (b"authorization", b"Bearer " + TOKEN)],
    ],
)
def test_credentials_in_any_place_are_found(headers):
    assert credentials_from_headers(headers) == TOKEN


@pytest.mark.parametrize(
    ("headers", "refusal"),
    [
        ([], Refusal.MISSING),
        ([(b"cookie", TOKEN)], Refusal.MISSING),
        ([(b"authorization", b"")], Refusal.MALFORMED),
        ([(b"authorization", b"Bearer")], Refusal.MALFORMED),
        ([(b"authorization", b"Bearer ")], Refusal.MALFORMED),
        ([(b"authorization", b"Basic " + TOKEN)], Refusal.MALFORMED),
        ([(b"authorization", TOKEN)], Refusal.MALFORMED),
        ([(b"authorization", b"Bearer " + TOKEN + b" " + OTHER)], Refusal.MALFORMED),
        ([(b"authorization", b"Bearer " + TOKEN + b", Bearer " + OTHER)], Refusal.MALFORMED),
        ([(b"x-api-key", b"")], Refusal.MALFORMED),
        ([(b"x-api-key", b"aq_\x00")], Refusal.MALFORMED),
        ([(b"x-api-key", b"aq_\r\nx")], Refusal.MALFORMED),
        ([(b"x-api-key", b"aq_\xc3\xa9")], Refusal.MALFORMED),
        ([(b"x-api-key", b"a" * (MAX_TOKEN_BYTES + 1))], Refusal.MALFORMED),
        ([(b"x-api-key", b"a" * 10_000)], Refusal.MALFORMED),
        ([(b"authorization", b"Bearer " + TOKEN), (b"x-api-key", OTHER)], Refusal.CONFLICTING),
        ([(b"authorization", b"Bearer " + TOKEN), (b"authorization", b"Bearer " + OTHER)], Refusal.CONFLICTING),
        ([(b"api-key", TOKEN), (b"x-api-key", b"")], Refusal.MALFORMED),
    ],
)
def test_credentials_that_do_not_count_are_refused(headers, refusal):
    assert credentials_from_headers(headers) is refusal


NAMES = st.sampled_from([b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key", b"accept"])


@given(st.lists(st.tuples(NAMES, st.binary(max_size=600) | st.just(b"Bearer " + TOKEN)), max_size=6))
def test_credentials_of_any_bytes_are_a_visible_token_or_a_refusal(headers):
    """Trap 24: whatever stands in the Authorization header, nothing raises and nothing odd comes through."""
    found = credentials_from_headers(headers)
    if not isinstance(found, Refusal):
        assert 0 < len(found) <= MAX_TOKEN_BYTES
        assert all(0x21 <= byte <= 0x7E for byte in found)


def test_credentials_of_a_usual_request_cost_little():
    headers = [
        *((b"x-stainless-%d" % number, b"value") for number in range(10)),
        *((name, b"value") for name in (b"host", b"accept", b"user-agent", b"content-type", b"content-length")),
        (b"authorization", b"Bearer " + TOKEN),
    ]
    rounds = 2_000
    best = min(timeit.repeat(lambda: credentials_from_headers(headers), number=rounds, repeat=5)) / rounds
    assert best < 20e-6, "ten times what it takes: a slow machine may pass, a change of kind may not"
