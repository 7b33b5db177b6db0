"""When freed memory goes back to the system: at a drop from a peak, and twice after the last one."""

from aqueduct.server.freed_memory import AGAIN_AFTER_S, WORTH_IT, Due, Turns


def due_times(turns: Turns, inflight: dict[int, int], seconds: int) -> list[int]:
    """Ask once a second; `inflight` holds the number of open requests from a second on."""
    found: list[int] = []
    now_open = 0
    for second in range(seconds):
        now_open = inflight.get(second, now_open)
        if turns.due(now_open, 1000.0 + second) is not Due.NOTHING:
            found.append(second)
    return found


def test_memory_is_due_at_the_drop_and_twice_after_it() -> None:
    assert due_times(Turns(), {1: 1000, 20: 0}, 200) == [20, *(20 + int(after) for after in AGAIN_AFTER_S)]


def test_memory_is_due_at_each_drop_and_twice_after_the_last_one() -> None:
    peak = {1: 1000, 20: 240, 22: 50}

    assert due_times(Turns(), peak, 200) == [20, 22, *(22 + int(after) for after in AGAIN_AFTER_S)]


def test_memory_is_due_after_a_second_peak_too() -> None:
    assert due_times(Turns(), {1: 1000, 20: 0, 100: 1000, 120: 0}, 200) == [20, 25, 60, 120, 125, 160]


def test_memory_is_never_due_for_few_requests_or_before_a_drop() -> None:
    assert due_times(Turns(), {1: WORTH_IT - 1, 20: 0}, 100) == []
    assert due_times(Turns(), {1: 1000, 20: 300}, 100) == []


def test_only_the_last_time_collects_garbage() -> None:
    turns = Turns()
    turns.due(1000, 0.0)

    assert [turns.due(0, now) for now in (1.0, 6.0, 41.0, 100.0)] == [
        Due.GIVE_BACK, Due.GIVE_BACK, Due.COLLECT_AND_GIVE_BACK, Due.NOTHING
    ]  # fmt: skip
