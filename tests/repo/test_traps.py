"""Each known trap, a class of defect that users of other gateways reported, is held by a test that names its number.

A test names traps in its docstring, or its module's: `Trap 5.`, `Traps 8, 9 and 12`, `TRAPS 19-21`. What the numbers
stand for is said in `TRAPS` below; a trap of the stack that has no number names its tests in `OF_THE_STACK`.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest

from tests.repo.checkout import ROOT, tracked_files

TRAPS = {
    1: "usage beside a choice on the last chunk is lost",
    2: "a client that leaves has no usage row",
    3: "aborted streams are booked without saying on what grounds",
    4: "parts of the usage are counted twice or lost",
    5: "the usage row's key is the provider's or the client's",
    6: "rows are lost on a kill or a failed commit",
    7: "rows that wait fill the memory",
    8: "a fallback is priced at the wrong model and passes the budget",
    9: "concurrent requests pass a limit together",
    10: "concurrency is counted by worker, and leaks",
    11: "counters drift from what was consumed",
    12: "token limits apply only after the answer",
    13: "a database row is fought over by every request",
    14: "a route skips the budgets; an unknown key means no limit",
    15: "writers of totals deadlock",
    16: "reports read raw rows; old usage is deleted row by row",
    17: "large media hold up everybody",
    18: "memory grows with clients that vanish",
    19: "a failure in mid-stream, or an error inside a 200, is a truncated 200",
    20: "an error event after a 200 is logged as success",
    21: "tool indexes are the upstream's",
    22: "thought signatures are stripped",
    23: "dropped parameters are silent; attempts multiply",
    24: "keys leak, or input reaches SQL and URLs",
    25: "an upgrade breaks what runs",
}
NOT_YET = {
    23: "cooling deployments down: there is no cooldown",
    25: "MCP sessions that outlive their process: the gateway holds none",
}
"""What a trap also says of features that do not exist; the rest of it is tested."""
OF_THE_STACK = {
    "every table of the public schema has a key of one column": [
        "tests/db/test_migrate.py::test_public_tables_have_a_key_of_one_column",
    ],
    "changes by SQL alone are noticed": [
        "tests/db/test_catalog_triggers.py::test_every_catalog_table_bumps_on_any_statement",
        "tests/catalog/test_watcher.py::test_catalog_without_notifications_sees_changes_by_its_poll",
    ],
    "several processes, one page of metrics": [
        "contract-tests/test_process_workers.py::test_two_workers_both_serve_and_metrics_are_the_sum_whichever_answers",
        "contract-tests/test_process_workers.py::test_killed_worker_is_replaced_and_no_counter_jumps_down",
        "contract-tests/test_process_workers.py::test_two_instances_side_by_side_do_not_mix_their_metrics",
    ],
    "a disconnect cancels the settling": [
        "tests/api/test_event_stream.py::test_stream_cancelled_at_any_point_is_settled_once",
    ],
    "the framework's limit of 10 MB": ["contract-tests/test_gateway_traps.py::test_large_media_holds_up_nobody_else"],
    "a stolen release of a dependency": [
        "tests/repo/test_tracked_files.py::test_locks_carry_a_hash_for_every_package_and_no_address",
    ],
}
_NAMED = re.compile(r"\bTRAPS? (\d+(?:-\d+)?(?:,? (?:and )?\d+(?:-\d+)?)*)", re.IGNORECASE)


def named(docstring: str) -> Iterator[int]:
    """The numbers of the traps that a docstring names."""
    for found in _NAMED.finditer(docstring):
        for first, last in re.findall(r"(\d+)(?:-(\d+))?", found[1]):
            yield from range(int(first), int(last or first) + 1)


@cache
def modules() -> dict[str, ast.Module]:
    """The test modules by path."""
    return {
        str(path): ast.parse((ROOT / path).read_text("utf-8"))
        for path in tracked_files()
        if path.parts[0] in {"tests", "contract-tests"} and path.name.startswith("test_") and path.suffix == ".py"
    }


def functions(module: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """The tests of a module."""
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield node


@cache
def found_by_trap() -> dict[int, set[str]]:
    """The tests, and modules of tests, that name each trap."""
    found: dict[int, set[str]] = {}
    for path, module in modules().items():
        if path.endswith("repo/test_traps.py"):
            continue
        documented = [(path, module), *((f"{path}::{node.name}", node) for node in functions(module))]
        for name, node in documented:
            for number in named(ast.get_docstring(node) or ""):
                found.setdefault(number, set()).add(name)
    return found


@pytest.mark.parametrize(
    ("docstring", "numbers"),
    [
        ("Trap 5.", [5]),
        ("Traps 8, 9, 12 and 14.", [8, 9, 12, 14]),
        ("It holds (TRAPS 1, 4, 19-21).", [1, 4, 19, 20, 21]),
        ("TRAPS 7: 10 rows", [7]),
        ("A trap of the stack; 30 rows", []),
    ],
)
def test_numbers_of_traps_are_read_from_docstrings(docstring: str, numbers: list[int]) -> None:
    assert list(named(docstring)) == numbers


@pytest.mark.parametrize("number", TRAPS)
def test_trap_is_named_by_a_test(number: int) -> None:
    assert found_by_trap().get(number), f"no test names trap {number}: {TRAPS[number]}"


def test_tests_name_no_trap_that_does_not_exist() -> None:
    assert {number: names for number, names in found_by_trap().items() if number not in TRAPS} == {}
    assert {*NOT_YET} <= {*TRAPS}


@pytest.mark.parametrize("name", [test for tests in OF_THE_STACK.values() for test in tests])
def test_trap_of_the_stack_has_its_test(name: str) -> None:
    path, _, function = name.partition("::")
    assert function in {node.name for node in functions(modules()[path])}
