from uuid import uuid4

import pytest

from aqueduct.limits.account import Account
from aqueduct.limits.counters import Counters
from aqueduct.limits.rules import Applied, Limit
from aqueduct.limits.telling import header_lines, never_fits, standing
from aqueduct.limits.windows import slots_of


@pytest.mark.parametrize(
    ("metric", "amount", "need", "told"),
    [
        ("requests", 4, 5, " is 4 requests per day. This request alone counts as 5 requests."),
        ("concurrency", 0, 1, " is 0 requests at once."),
        ("input_tokens", 9, 20, " is 9 input tokens per day. This request alone may need 20 input tokens: send less."),
        (
            "output_tokens",
            1,
            20,
            " is 1 output token per day. This request alone may need 20 output tokens: allow less output.",
        ),
        (
            "cost",
            1_500_000,
            2_000_000,
            " is 1.5 EUR per day. This request alone may need 2 EUR: send less, or allow less output.",
        ),
    ],
)
def test_request_that_never_fits_is_told_what_would_help(metric, amount, need, told):
    window = None if metric == "concurrency" else "day"
    limit = Limit(
        id=uuid4(), scope="team", name="o/t", metric=metric, amount=amount, window=window,
        slots=slots_of(window, calendar=False),
    )  # fmt: skip
    assert never_fits(limit, need, "EUR").message == f"The limit of the team 'o/t'{told}"


def _account(window: str, amount: int, used: int) -> Account:
    limit = Limit(
        id=uuid4(), scope="team", name="t", metric="requests", amount=amount, window=window,
        slots=slots_of(window, calendar=False),
    )  # fmt: skip
    account = Account(Applied(limit, uuid4()))
    account.used, account.resets_at = used, limit.slots.ends_ms(0)
    return account


@pytest.mark.parametrize("windows", [("second", "hour"), ("hour", "second")])
def test_headers_tell_of_the_longest_window_of_those_that_are_used_up(windows):
    counters = Counters([_account(window, 2, 2) for window in windows], uuid4())
    assert b"x-ratelimit-reset-requests: 1h1m12s\r\n" in header_lines(counters, 0)


def test_headers_tell_of_the_limit_of_which_the_least_remains():
    counters = Counters([_account("hour", 10, 2), _account("second", 3, 2)], uuid4())
    assert b"x-ratelimit-limit-requests: 3\r\nx-ratelimit-remaining-requests: 1\r\n" in header_lines(counters, 0)


def test_limit_of_which_nothing_is_used_resets_now() -> None:
    account = _account("hour", 10, 0)
    account.resets_at = 0
    assert standing(account, 5_000).resets_at == 5.0
    assert b"x-ratelimit-reset-requests: 0ms\r\n" in header_lines(Counters([account], uuid4()), 5_000)
