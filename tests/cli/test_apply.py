"""`aqueduct apply`, `export` and `prices`: the plan, no changes the second time, wrong files."""

import json
from pathlib import Path

from tests.cli.conftest import CONTENT, Run


def test_apply_prints_the_plan_and_the_second_time_no_changes(run: Run, tmp_path: Path) -> None:
    (tmp_path / "aqueduct.yaml").write_text(CONTENT, "utf-8")
    dry = run("apply", "aqueduct.yaml", "--dry-run")
    assert "+ model m (aliases: n)" in dry.stdout
    assert "Would be 11 created, 0 changed, 0 deleted." in dry.stdout
    assert "Done: 11 created" in run("apply", "aqueduct.yaml").stdout
    assert run("apply", "aqueduct.yaml").stdout == "No changes.\n"
    (tmp_path / "less.yaml").write_text("models: [{name: m, aliases: [k]}]\ntokens: []\n", "utf-8")
    changed = json.loads(run("apply", "less.yaml", "--json").stdout)
    assert changed["applied"] is True
    assert changed["changes"] == [
        {
            "action": "change",
            "kind": "model",
            "name": "m",
            "fields": [{"name": "aliases", "before": "n", "after": "k"}],
        }
    ]


def test_apply_of_a_wrong_file_names_file_and_line_and_ends_with_one(run: Run, tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text("models:\n- name: a\n  wieght: 1\n", "utf-8")
    done = run("apply", "wrong.yaml")
    assert done.returncode == 1
    assert done.stderr == (
        "wrong.yaml:3: models[0].wieght: unknown key 'wieght'; known here: name, aliases, operations, context_window, "
        "max_output_tokens, request_weight, extra_params, signature_vault, multiple_answers, schema_check, auto_cache, "
        "fetch_media, max_queries, max_seconds, owned_by, deployments, enabled\nNothing was applied.\n"
    )
    assert done.stdout == ""


def test_export_can_be_applied_and_changes_nothing(filled: Run, tmp_path: Path) -> None:
    assert filled("export", "--output", "out.yaml").returncode == 0
    assert filled("apply", "out.yaml", "--prune").stdout == "No changes.\n"
    assert filled("export").stdout == (tmp_path / "out.yaml").read_text("utf-8")


def test_prices_are_applied_shown_and_exported_as_they_stand_in_the_file(filled: Run, tmp_path: Path) -> None:
    text = (
        "prices:\n- model: m\n  provider: p\n  upstream_model: x\n  meter: output\n  amount: '12.5'\n"
        "  tier: batch\n  above_tokens: 200000\n  valid_from: '2026-01-31'\n"
        "- model: m\n  meter: input\n  amount: '0.000000000001'\n  per: 1\n"
    )
    (tmp_path / "prices.yaml").write_text(text, "utf-8")
    plan = filled("apply", "prices.yaml")
    assert "+ price m input (amount: 0.000000000001; per: 1)" in plan.stdout
    assert "+ price m -> p:x output batch above 200000 from 2026-01-31T00:00:00+00:00 (amount: 12.5)" in plan.stdout
    assert filled("apply", "prices.yaml", "--prune").stdout == "No changes.\n"
    exported = filled("export").stdout
    assert exported[exported.index("prices:") :] == text
    listed = json.loads(filled("prices", "list", "--json").stdout)
    assert [(price["subject"], price["amount"]) for price in listed] == [("m", "0.000000000001"), ("m at p:x", "12.5")]


def test_apply_names_the_variables_that_the_gateway_will_miss(run: Run, tmp_path: Path) -> None:
    (tmp_path / "aqueduct.yaml").write_text(CONTENT.replace("enabled: false", "enabled: true"), "utf-8")

    done = run("apply", "aqueduct.yaml")

    advice = "is not set here; the gateway's process needs it, from its environment or from .env"
    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        f"! provider keyed: MISSING_KEY {advice}",
        f"! MCP server wiki: MISSING_AUTH {advice}",
    ]
    assert run("apply", "aqueduct.yaml").stderr == ""
