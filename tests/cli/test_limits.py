"""`aqueduct limits` on a database: where limits stand; what a lost worker held comes back, once."""

import json
from pathlib import Path
from uuid import uuid4

from tests.cli.conftest import Run
from tests.cli.rows import fetch

LOST = """
WITH o AS (SELECT id FROM orgs LIMIT 1),
     l AS (INSERT INTO limits (org_id, metric, period, amount) SELECT id, 'requests', 'total', 100 FROM o RETURNING id),
     r AS (INSERT INTO ledger.replicas (id, number, started_at, expires_at)
           SELECT gen_random_uuid(), 3, t - 1000000, t - 1000
             FROM (SELECT floor(extract(epoch FROM now()) * 1000)::bigint AS t) AS clock RETURNING id),
     c AS (INSERT INTO ledger.counters (limit_id, member_id) SELECT l.id, o.id FROM l, o RETURNING *),
     s AS (INSERT INTO ledger.slots (limit_id, member_id, slot, used, replica_id)
           SELECT c.limit_id, c.member_id, 0, 9, r.id FROM c, r RETURNING *),
     h AS (INSERT INTO ledger.leases (limit_id, member_id, replica_id, held)
           SELECT c.limit_id, c.member_id, r.id, 30 FROM c, r RETURNING *)
SELECT r.id AS replica, c.limit_id, c.member_id FROM r, c, s, h
"""
ROW = """
INSERT INTO usage.requests
    (id, started_at, duration_ms, endpoint, operation, streamed, status, attempts, violations, dropped_params,
     reservations)
SELECT gen_random_uuid(), now(), 1, '/', 'chat', false, 200, 1, '{{}}', '{{}}', '{reservations}'::jsonb
"""


def test_list_shows_budgets_in_the_currency_and_what_no_counter_tells(filled: Run, tmp_path: Path) -> None:
    content = """
limits:
- {subject: 'org:a', metric: cost, window: month, amount: 12.5}
- {subject: 'service:a/t/job', metric: concurrency, amount: 2, mode: shadow}
- {subject: 'team:a/t', each: member, metric: requests, window: minute, amount: 3, model: m}
"""
    (tmp_path / "limits.yaml").write_text(content, "utf-8")
    assert filled("limits", "list", "--json").stdout == "[]\n"
    assert filled("apply", "limits.yaml").returncode == 0

    found = json.loads(filled("limits", "list", "--json").stdout)
    table = filled("limits", "list", currency="EUR").stdout
    of_one = json.loads(filled("limits", "list", "--of", "service:job", "--json").stdout)

    assert [(one["subject"], one["limit"], one["used"], one["remaining"]) for one in found] == [
        ("org:a", 12_500_000, 0, 12_500_000),
        ("service:a/t/job", 2, 0, 2),
        ("team:a/t", 3, None, None),
    ]
    assert [one["used"] for one in of_one] == [0, 0, 0]
    lines = [line.split() for line in table.splitlines() if "a" in line]
    assert ["org:a", "12.5", "EUR", "calendar", "month", "enforce", "0", "12.5"] in lines
    assert ["service:a/t/job", "2", "concurrency", "shadow", "0", "2"] in lines
    assert ["team:a/t,", "each", "member", "3", "requests", "minute", "m", "enforce"] in lines
    missing = filled("limits", "list", "--of", "user:nobody@a.org")
    assert (missing.returncode, "There is no user:nobody@a.org" in missing.stderr) == (1, True)


def test_recount_books_a_lost_worker_by_its_usage_rows_and_changes_nothing_the_second_time(
    filled: Run, database_url: str
) -> None:
    (lost,) = fetch(database_url, LOST)
    for replica, used in ((lost["replica"], 5), (lost["replica"], None), (uuid4(), 40)):
        limits = [[str(lost["limit_id"]), str(lost["member_id"]), 0, 100, 2, used]]
        held = json.dumps({"replica": str(replica), "limits": limits})
        fetch(database_url, ROW.format(reservations=held))

    (done,) = json.loads(filled("limits", "recount", "--json").stdout)
    assert (done["limit_id"], done["booked"], done["used"]) == (str(lost["limit_id"]), 39, 7)
    assert "Nothing to set right." in filled("limits", "recount").stdout
    assert [row["used"] for row in fetch(database_url, "SELECT used FROM ledger.slots")] == [7]
    assert fetch(database_url, "SELECT 1 FROM ledger.leases") == []
