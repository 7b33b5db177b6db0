"""What a caller's counters work out for each request."""

import random
from uuid import uuid4

from aqueduct.limits.counters import Counters
from aqueduct.limits.price import PICO_PER_MICRO


def test_budgets_are_charged_what_requests_cost_to_the_micro_unit_however_cheap_each_is():
    """Rounding each request up would charge one of 0.2 micro-units five times what it costs."""
    for dearest in (3, PICO_PER_MICRO // 5, 7 * PICO_PER_MICRO):
        counters, numbers = Counters([], uuid4()), random.Random(dearest)
        cost = charged = 0
        for _ in range(1_000):
            pico = numbers.randrange(dearest + 1)
            part = counters.charged(pico)
            assert 0 <= part <= -(-pico // PICO_PER_MICRO), "never more than was reserved"
            cost, charged = cost + pico, charged + part
            assert cost <= charged * PICO_PER_MICRO < cost + PICO_PER_MICRO
