"""`aqueduct usage` and `aqueduct prices` on a database."""

import csv
import io
import json
import re
from pathlib import Path

from aqueduct.cli.usage import MAX_ROWS
from aqueduct.db.names import ROLLUP_SUMS
from tests.cli.conftest import Run
from tests.cli.test_commands import fetch


def test_prices_are_imported_once_listed_and_told_where_no_model_is(
    filled: Run, tmp_path: Path, database_url: str
) -> None:
    prices = [
        {"model": "m", "meter": "input", "amount": "2.50"},
        {"model": "x", "meter": "output", "amount": 10},
        {"model": "elsewhere", "meter": "input", "amount": 1},
    ]
    (tmp_path / "prices.json").write_text(json.dumps(prices), "utf-8")

    dry = filled("prices", "import", "prices.json", "--dry-run")
    assert "Would be 2 prices written, 0 unchanged." in dry.stdout
    assert fetch(database_url, "SELECT 1 FROM prices") == []
    done = filled("prices", "import", "prices.json")
    assert "Done: 2 prices written, 0 unchanged." in done.stdout
    assert "No model here: elsewhere." in done.stderr
    assert json.loads(filled("prices", "import", "prices.json", "--json").stdout) == {
        "written": 0,
        "unchanged": 2,
        "unknown_models": ["elsewhere"],
    }
    listed = json.loads(filled("prices", "list", "--json").stdout)
    assert [(one["subject"], one["meter"], one["amount"], one["per"]) for one in listed] == [
        ("m", "input", "2.5", 1_000_000),
        ("m at p:x", "output", "10", 1_000_000),
    ]


def test_price_file_that_cannot_be_used_is_refused(filled: Run, tmp_path: Path) -> None:
    (tmp_path / "prices.json").write_text("{}", "utf-8")

    done = filled("prices", "import", "prices.json")

    assert (done.returncode, done.stdout) == (1, "")
    assert "prices.json: holds no price" in done.stderr


def test_report_in_every_form(filled: Run) -> None:
    assert json.loads(filled("usage", "report", "--format", "json").stdout) == []
    rows = list(csv.reader(io.StringIO(filled("usage", "report", "--by", "day", "--format", "csv").stdout)))
    assert rows[0][:3] == ["day", "requests", "errors"]
    assert "prompt_tokens" in filled("usage", "report", "--org", "a").stdout
    for name in ("cost-center", "service_account", "service-account"):
        header = filled("usage", "report", "--by", name, "--format", "csv").stdout.partition(",")[0]
        assert header == name.replace("-", "_")


def test_report_by_several_dimensions_takes_a_list_or_several_options(filled: Run) -> None:
    for by in (("--by", "org,cost-center"), ("--by", "org", "--by", "COST_CENTER"), ("--by", "org, cost-center,org")):
        header = filled("usage", "report", *by, "--format", "csv").stdout
        assert header.startswith("org,cost_center,requests,"), by
    for by in ("org,nonsense", "org,", ""):
        wrong = filled("usage", "report", "--by", by)
        assert (wrong.returncode, wrong.stdout) == (2, ""), by
        assert "is not one of day, org, team, cost-center, user" in wrong.stderr


def test_table_shows_the_dearest_rows_where_it_would_be_long(filled: Run, database_url: str) -> None:
    rows = ", ".join(
        f"(gen_random_uuid(), current_date, 'model-{number:03}', 1,0,0,0,1,0,0,0,0,0,0, {number})"
        for number in range(101)
    )
    insert = f"INSERT INTO usage_daily (id, day, model, {', '.join(ROLLUP_SUMS)}, cost) VALUES {rows} RETURNING 1"  # noqa: S608 - ours
    fetch(database_url, insert)
    by = ("usage", "report", "--from", "2001-01-01", "--to", "2011-01-31", "--by", "token,model")
    assert filled(*by).stdout.count("model-") == 0
    by = ("usage", "report", "--by", "token,model")

    table, few, every = filled(*by), filled(*by, "--top", "2"), filled(*by, "--top", "0")

    assert "The 100 rows of the highest cost; --top 0 shows all." in table.stderr
    names = re.findall(r"model-\d+", table.stdout)
    assert (len(names), names[0], names[-1]) == (100, "model-100", "model-001")
    assert (re.findall(r"model-\d+", few.stdout), few.stderr) == (["model-100", "model-099"], "")
    assert (len(re.findall(r"model-\d+", every.stdout)), every.stderr) == (101, "")
    assert filled(*by, "--format", "csv").stdout.count("model-") == 101
    assert filled(*by, "--format", "csv", "--top", "3").stdout.count("model-") == 3
    assert filled(*by, "--top", "-1").returncode == 2
    assert filled(*by, "--from", "1970-01-01").returncode == 2


def test_report_with_more_rows_than_it_prints_says_that_it_is_cut(filled: Run, database_url: str) -> None:
    """A bill from a file that ends in the middle would be too low, and nobody would know."""
    columns = f"id, day, model, {', '.join(ROLLUP_SUMS)}, cost"
    ones = ", ".join("1" for _ in ROLLUP_SUMS)
    row = f"gen_random_uuid(), current_date, 'model-' || to_char(i, 'FM000000'), {ones}, 1"
    make = f"INSERT INTO usage_daily ({columns}) SELECT {row} FROM generate_series(0, {MAX_ROWS}) i RETURNING 1"  # noqa: S608 - ours
    fetch(database_url, make)
    by = ("usage", "report", "--by", "model,token", "--format")

    cut = filled(*by, "csv")

    assert f"Only the first {MAX_ROWS} rows" in cut.stderr
    assert (cut.stdout.count("model-"), f"model-{MAX_ROWS}" in cut.stdout, cut.returncode) == (MAX_ROWS, False, 0)
    assert filled(*by, "csv", "--top", "2").stderr == ""


def test_report_of_nobody_or_of_no_time_is_refused(filled: Run) -> None:
    assert "There is no team 'a/none'." in filled("usage", "report", "--team", "a/none").stderr
    assert filled("usage", "report", "--from", "soon").returncode == 2
    assert filled("usage", "report", "--from", "2026-02-01", "--to", "2026-01-01").returncode == 2


def test_rerate_of_an_empty_history_changes_nothing(filled: Run) -> None:
    assert "Done: 0 of 0 attempts" in filled("prices", "rerate", "--from", "2026-11-01", "--to", "2026-11-02").stdout
