"""`aqueduct usage` and `aqueduct prices` on a database."""

import csv
import io
import json
import re
from pathlib import Path
from uuid import UUID

from aqueduct.cli.usage import MAX_ROWS
from aqueduct.db.names import ROLLUP_SUMS
from tests.cli.conftest import Run
from tests.cli.rows import fetch


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
    assert "+ price m input (2.5 per 1000000; listed as m)\n" in dry.stdout
    assert fetch(database_url, "SELECT 1 FROM prices") == []
    done = filled("prices", "import", "prices.json")
    assert "Done: 2 prices written, 0 unchanged." in done.stdout
    assert "No model here: elsewhere." in done.stderr
    assert json.loads(filled("prices", "import", "prices.json", "--json").stdout) == {
        "written": 0,
        "unchanged": 2,
        "unknown_models": ["elsewhere"],
        "changes": [],
        "notes": [],
    }
    listed = json.loads(filled("prices", "list", "--json").stdout)
    assert [(one["subject"], one["meter"], one["amount"], one["per"]) for one in listed] == [
        ("m", "input", "2.5", 1_000_000),
        ("m at p:x", "output", "10", 1_000_000),
    ]


def test_price_list_of_the_field_is_imported_by_the_name_that_says_most(filled: Run, tmp_path: Path) -> None:
    content = """
providers: [{name: cloud, adapter: azure_openai, base_url: 'http://h', secret: 'env:X'}]
models:
- {name: big, deployments: [{provider: cloud, upstream_model: gpt-9}, {provider: p, upstream_model: gpt-9}]}
- {name: 'openai/*', deployments: [{provider: p}]}
prices: [{model: big, meter: input, amount: '7'}]
"""
    (tmp_path / "more.yaml").write_text(content, "utf-8")
    assert filled("apply", "more.yaml").returncode == 0
    entry = {"input_cost_per_token": 2e-06, "output_cost_per_token": 8e-06, "mode": "chat"}
    listed = {
        "sample_spec": {"input_cost_per_token": 0, "mode": "one of: chat"},
        "azure/gpt-9": {"input_cost_per_token": 3e-06},
        "gpt-9": entry,
        **{f"no-such-{number}": entry for number in range(20)},
    }
    for names in (listed, dict(reversed(listed.items()))):
        (tmp_path / "list.json").write_text(json.dumps(names), "utf-8")
        done = filled("prices", "import", "list.json", "--valid-from", "2026-03-01", "--dry-run")
        assert done.stdout.splitlines() == [
            "+ price big at cloud:gpt-9 input from 2026-03-01 (3 per 1000000; listed as azure/gpt-9)",
            "+ price big at p:gpt-9 input from 2026-03-01 (2 per 1000000; listed as gpt-9)",
            "+ price big at p:gpt-9 output from 2026-03-01 (8 per 1000000; listed as gpt-9)",
            "Would be 3 prices written, 0 unchanged.",
        ]
    assert "! big at p:gpt-9 gets prices of its own: those of the model 'big' end for it\n" in done.stderr
    assert "! all models under 'openai/*' share one price, and it has none" in done.stderr
    assert "21 names of the list stand for no model here.\n" in done.stderr
    for _ in range(2):
        done = filled("prices", "import", "list.json", "--valid-from", "2026-03-01")
    assert done.stdout == "Done: 0 prices written, 3 unchanged.\n"
    (tmp_path / "list.json").write_text('{"gpt-9": {"output_cost_per_token": 9e-06}}', "utf-8")
    changed = filled("prices", "import", "list.json", "--valid-from", "2026-03-01").stdout.splitlines()
    assert changed[0] == "+ price big at cloud:gpt-9 output from 2026-03-01 (9 per 1000000; listed as gpt-9)"
    assert "output from 2026-03-01 (8 per 1000000 -> 9 per 1000000; listed as gpt-9)" in changed[1]
    table = filled("prices", "list").stdout
    assert ("always" in table, "1970" in table) == (True, False)


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


def test_table_says_which_days_what_currency_the_sum_and_what_had_no_price(filled: Run, database_url: str) -> None:
    gone = UUID(int=7)
    columns = f"id, day, model, user_id, {', '.join(ROLLUP_SUMS)}, cost"
    sums = {name: "3" if name == "unpriced" else "10" for name in ROLLUP_SUMS}
    rows = ", ".join(
        f"(gen_random_uuid(), '2026-02-{day}', 'm', '{user}', {', '.join(sums.values())}, 0.125)"
        for day, user in (("01", gone), ("02", UUID(int=8)))
    )
    fetch(database_url, f"INSERT INTO usage_daily ({columns}) VALUES {rows} RETURNING 1")  # noqa: S608 - ours
    by = ("usage", "report", "--from", "2026-02-01", "--to", "2026-02-03", "--by", "user,model")

    everybody = filled(*by, currency="EUR").stdout.splitlines()
    one = filled(*by, "--user", str(gone)).stdout

    assert "2026-02-01 to 2026-02-03 (UTC): 0.25 EUR in all." in everybody
    assert "Requests for which there was no price, and which count as 0: 6." in everybody
    assert "0.125 EUR in these rows." in filled(*by, "--top", "1", currency="EUR").stdout
    assert "0.125 USD in all." in one, "what was deleted is asked for by its id"
    assert "(UTC)" not in filled(*by, "--format", "csv").stdout


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
