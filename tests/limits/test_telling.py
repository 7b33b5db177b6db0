from uuid import uuid4

import pytest

from aqueduct.limits.rules import Limit
from aqueduct.limits.telling import never_fits
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
