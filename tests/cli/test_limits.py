"""`aqueduct limits recount` on a database: what a lost worker held comes back, once."""

import json
from uuid import uuid4

from tests.cli.conftest import Run
from tests.cli.test_commands import fetch

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
