"""The benchmark's statistic and its clocks."""

import os
import subprocess
import sys
import time

from bench.processes import cpu_s, parse_stat
from bench.report import cell, table

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def test_cell_ratio_is_the_median_over_rounds_and_not_that_of_the_medians() -> None:
    values, reference = [100.0, 200.0, 400.0], [100.0, 400.0, 200.0]

    assert cell(values, reference) == "200 (100-400), x1.00"
    assert cell([150.0, 600.0, 210.0], [100.0, 400.0, 200.0]) == "210 (150-600), x1.50"


def test_cell_of_a_workload_that_was_not_answered_says_so() -> None:
    assert cell([], [1.0]) == "did not answer rightly"
    assert cell([2.0], []) == "2 (2-2)"


def test_table_has_a_row_for_each_gateway_and_the_reason_for_those_that_are_absent() -> None:
    costs = {"Aqueduct": {"plain": [3.0]}, "TensorZero": {"plain": [2.0], "paced": [4.0], "burst": [1.0]}}
    lines = table(costs, {"Other": "no | such\nprogram"}).splitlines()

    assert "3 (3-3), x1.50 | did not answer rightly | did not answer rightly" in lines[2]
    assert "2 (2-2), x1.00" in lines[3]
    assert lines[4].startswith("| Other | not measured: no / such program")


def test_stat_gives_the_parent_and_what_ended_children_used() -> None:
    fields = ["S", "7", *["0"] * 9, "1000", "1000", str(TICKS_A_SECOND), str(2 * TICKS_A_SECOND), "0"]

    assert parse_stat(f"42 (a (name) b) {' '.join(fields)}") == (7, 3.0)


def test_cpu_of_a_process_is_finer_than_the_ticks_of_its_statistics() -> None:
    begun = time.process_time()
    before = cpu_s(os.getpid())
    while time.process_time() - begun < 0.002:
        pass
    spent = cpu_s(os.getpid()) - before

    assert spent >= 0.001
    assert abs(spent * TICKS_A_SECOND - round(spent * TICKS_A_SECOND)) > 1e-6


def test_cpu_of_a_process_counts_its_children() -> None:
    before = cpu_s(os.getpid())
    program = "import time\nwhile time.process_time() < 0.2: pass"
    subprocess.run([sys.executable, "-c", program], check=True)

    assert cpu_s(os.getpid()) - before >= 0.2
