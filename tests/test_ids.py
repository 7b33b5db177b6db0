"""Request ids are UUIDv7 as RFC 9562 lays them out."""

import time
from uuid import RFC_4122, UUID

from aqueduct.ids import RequestIds


def test_request_ids_are_version_7_of_the_present_millisecond() -> None:
    new_id = RequestIds()

    before = time.time_ns() // 1_000_000
    found = [UUID(new_id()) for _ in range(1000)]
    after = time.time_ns() // 1_000_000

    for one in found:
        assert (one.version, one.variant) == (7, RFC_4122)
        assert before <= one.int >> 80 <= after


def test_request_ids_are_unique_and_ordered_by_millisecond() -> None:
    """TRAPS 5: the server mints the key of usage rows, and it never repeats."""
    new_id = RequestIds()

    found = [UUID(new_id()) for _ in range(20_000)]

    assert len(set(found)) == len(found)
    times = [one.int >> 80 for one in found]
    assert times == sorted(times)


def test_request_ids_use_all_random_bits() -> None:
    new_id = RequestIds()
    ones = zeros = 0
    for _ in range(500):
        value = UUID(new_id()).int
        ones |= value
        zeros |= ~value

    random_bits = (0xFFF << 64) | ((1 << 62) - 1)
    assert ones & random_bits == random_bits
    assert zeros & random_bits == random_bits


def test_request_ids_of_two_makers_differ() -> None:
    first, second = RequestIds(), RequestIds()

    assert {first() for _ in range(1000)}.isdisjoint(second() for _ in range(1000))
