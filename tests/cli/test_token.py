"""`aqueduct token`: what is printed, what is stored, what is refused."""

import hashlib
import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.cli.rows import fetch


def test_token_create_prints_only_the_token_and_stores_its_hash(filled: Run) -> None:
    done = filled("token", "create", "--owner", "service:job", "--name", "ci", "--expires", "90d")
    token = done.stdout.strip()
    assert token.startswith("aq_")
    listed = json.loads(filled("token", "list", "--json").stdout)
    assert [(row["owner"], row["state"], row["prefix"]) for row in listed] == [
        ("service:a/t/job", "active", token[:10])
    ]
    everything = filled("token", "list", "--all", "--json").stdout + filled("token", "list").stdout + done.stderr
    assert token not in everything
    assert hashlib.sha256(token.encode()).hexdigest() not in everything


def test_token_rotate_keeps_grants_limits_and_lifetime_and_gives_grace(
    filled: Run, database_url: str, tmp_path: Path
) -> None:
    options = ("--owner", "user:ADA@a.org", "--name", "k", "--expires", "10d", "--json")
    made = json.loads(filled("token", "create", *options).stdout)
    (tmp_path / "grant.yaml").write_text(
        "grants: [{subject: 'token:k', deny: [m], deny_mcp_servers: [wiki, 'x*']}]\n"
        "limits: [{subject: 'token:k', metric: cost, window: day, amount: 3, mode: shadow, model: m}]",
        "utf-8",
    )
    assert filled("apply", "grant.yaml").returncode == 0
    fresh = json.loads(filled("token", "rotate", "k", "--grace", "1h", "--json").stdout)
    rows = fetch(database_url, "SELECT * FROM tokens ORDER BY created_at")
    old, new = rows
    assert (str(old["id"]), str(new["id"])) == (made["id"], fresh["id"])
    assert old["replaced_by_id"] == new["id"]
    assert 3500 < (old["grace_until"] - new["created_at"]).total_seconds() < 3700
    assert abs((new["expires_at"] - new["created_at"]).total_seconds() - 864_000) < 60
    for table, rules in (("grants", 3), ("limits", 1)):
        found = [dict(row) for row in fetch(database_url, f"SELECT * FROM {table} ORDER BY created_at")]  # noqa: S608 - ours
        assert [row.pop("token_id") for row in found] == [old["id"]] * rules + [new["id"]] * rules
        kept = [{name: value for name, value in row.items() if name not in {"id", "created_at"}} for row in found]
        assert sorted(map(str, kept[:rules])) == sorted(map(str, kept[rules:]))
    assert new["sha256"] == hashlib.sha256(fresh["token"].encode()).hexdigest()
    again = filled("token", "rotate", made["id"])
    assert (again.returncode, "is replaced already" in again.stderr) == (1, True)
    assert filled("apply", "grant.yaml").stdout == "No changes.\n"


def test_token_revoke_hides_the_token_and_a_second_time_fails(filled: Run) -> None:
    filled("token", "create", "--owner", "team:a/t", "--name", "k")
    assert filled("token", "revoke", "k").stdout == "Revoked the token 'k' of team:a/t.\n"
    assert json.loads(filled("token", "list", "--json").stdout) == []
    assert [row["state"] for row in json.loads(filled("token", "list", "--all", "--json").stdout)] == ["revoked"]
    assert filled("token", "revoke", "k").returncode == 1


def test_token_replaced_within_its_grace_is_listed_and_never_mistaken_for_its_successor(filled: Run) -> None:
    old = filled("token", "create", "--owner", "team:a/t", "--name", "k").stdout.strip()
    done = filled("token", "rotate", "k", "--grace", "1h")
    new = done.stdout.strip()
    listed = json.loads(filled("token", "list", "--json").stdout)
    assert [(row["prefix"], row["state"], row["works"]) for row in listed] == [
        (old[:10], "replaced", True), (new[:10], "active", True),
    ]  # fmt: skip
    assert f"`aqueduct token revoke {listed[0]['id']}` ends it at once" in done.stderr
    ambiguous = filled("token", "revoke", "k")
    assert (ambiguous.returncode, ambiguous.stdout) == (1, "")
    assert [f"{row['id']}  team:a/t, {row['state']}" in ambiguous.stderr for row in listed] == [True, True]
    assert filled("token", "revoke", old[:10]).stdout == "Revoked the token 'k' of team:a/t.\n"
    assert [row["prefix"] for row in json.loads(filled("token", "list", "--json").stdout)] == [new[:10]]
    assert filled("token", "rotate", "k").returncode == 0, "a name means the one that can be rotated"


@pytest.mark.parametrize("known", [slice(0, 8), slice(0, 10), slice(None)])
def test_token_that_leaked_is_found_by_what_is_known_of_it(filled: Run, known: slice) -> None:
    leaked = filled("token", "create", "--owner", "team:a/t", "--name", "k").stdout.strip()
    fresh = json.loads(filled("token", "rotate", leaked[known], "--grace", "0", "--json").stdout)
    assert "The old one is refused from now on" in filled("token", "rotate", fresh["id"], "--grace", "0").stderr
    listed = json.loads(filled("token", "list", "--json").stdout)
    assert [row["works"] for row in listed] == [True]
    assert fresh["replaces"]["id"] not in {row["id"] for row in listed}
    done = filled("token", "revoke", leaked[known])
    assert (done.returncode, leaked in done.stdout + done.stderr) == (0, False)
    again = filled("token", "revoke", leaked[known])
    assert (again.returncode, again.stdout) == (0, "The token 'k' of team:a/t was revoked before.\n")


def test_token_that_nobody_knows_is_not_repeated(filled: Run) -> None:
    unknown = "aq_0123456789abcdefghijklmnopqrstuvwxyz-ABCDE"
    done = filled("token", "revoke", unknown)
    assert (done.returncode, unknown in done.stderr) == (1, False)
    assert "There is no token 'aq_0123456'." in done.stderr


def test_token_with_ambiguous_name_asks_for_the_id(filled: Run) -> None:
    for owner in ("team:a/t", "user:ada@a.org"):
        filled("token", "create", "--owner", owner, "--name", "k")
    done = filled("token", "revoke", "k")
    assert (done.returncode, "There are 2 tokens 'k'; name one by its id." in done.stderr) == (1, True)


@pytest.mark.parametrize(
    ("options", "code", "expected"),
    [
        (("--owner", "user:no@a.org", "--name", "k"), 1, "There is no user:no@a.org"),
        (("--owner", "ada", "--name", "k"), 2, "'ada' is no owner"),
        (("--owner", "team:a/t", "--name", "k", "--expires", "2020-01-01"), 2, "is in the past"),
        (("--owner", "team:a/t", "--name", "k", "--expires", "soon"), 2, "is no time"),
        (("--owner", "team:a/t", "--name", "k", "--expires", "999999w"), 2, "is no time"),
        (("--owner", "team:a/t", "--name", ""), 2, "1 to 100 characters"),
        (("--owner", "team:a/t", "--name", "k", "--allow", "m", "--allow", "x"), 1, "There is no model 'x'."),
        (("--owner", "team:a/t", "--name", "k", "--allow", "a*b*"), 1, "There is no model 'a*b*'."),
    ],
)
def test_token_create_refuses_what_cannot_be_meant(
    filled: Run, options: tuple[str, ...], code: int, expected: str
) -> None:
    done = filled("token", "create", *options)
    assert (done.returncode, expected in done.stderr) == (code, True), done.stderr
    assert json.loads(filled("token", "list", "--all", "--json").stdout) == []


def test_token_created_with_models_is_allowed_these_alone(filled: Run, database_url: str) -> None:
    allowed = ("--allow", "m", "--allow", "n", "--allow", "vendor/*")
    assert filled("token", "create", "--owner", "team:a/t", "--name", "k", *allowed).returncode == 0
    rows = fetch(
        database_url, "SELECT m.name, g.model_pattern, g.effect FROM grants g LEFT JOIN models m ON m.id = model_id"
    )
    assert sorted(map(tuple, rows), key=str) == [("m", None, "allow"), (None, "vendor/*", "allow")]
