"""What a request reserved of its limits, as `/v1/requests/{id}` shows it; the row keeps ids, the names are today's."""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

import asyncpg
from msgspec import Struct

from aqueduct.limits import reserved

NAMES: Final = """
SELECT l.id, l.metric, l.period, l.calendar, l.mode, coalesce(m.name, l.model_pattern) AS model,
       CASE WHEN l.org_id IS NOT NULL THEN 'org' WHEN l.team_id IS NOT NULL THEN 'team'
            WHEN l.user_id IS NOT NULL THEN 'user' WHEN l.service_account_id IS NOT NULL THEN 'service_account'
            ELSE 'token' END AS scope,
       coalesce(o.slug, teo.slug || '/' || te.name, u.email, sto.slug || '/' || st.name || '/' || s.name, tk.name)
       AS subject
  FROM limits l
  LEFT JOIN models m ON m.id = l.model_id LEFT JOIN orgs o ON o.id = l.org_id
  LEFT JOIN teams te ON te.id = l.team_id LEFT JOIN orgs teo ON teo.id = te.org_id
  LEFT JOIN users u ON u.id = l.user_id LEFT JOIN tokens tk ON tk.id = l.token_id
  LEFT JOIN service_accounts s ON s.id = l.service_account_id
  LEFT JOIN teams st ON st.id = s.team_id LEFT JOIN orgs sto ON sto.id = st.org_id
 WHERE l.id = ANY($1)
"""


class ReservationExplained(Struct, frozen=True, kw_only=True):
    """One limit that a request counted against; `cost` is in millionths of the currency.

    `limit` is the limit's amount then, `settled` what was used in the end (None: not known, the reservation stands).
    Of a limit that was deleted since, only the amounts are known.
    """

    limit_id: UUID
    scope: str | None
    subject: str | None
    metric: str | None
    window: str | None
    calendar: bool | None
    mode: str | None
    model: str | None
    limit: int
    reserved: int
    settled: int | None


def parsed(row: asyncpg.Record) -> tuple[reserved.ReservedOf, ...]:
    """Return what a row keeps."""
    return () if row["reservations"] is None else reserved.decode(row["reservations"]).limits


def explained(
    kept: tuple[reserved.ReservedOf, ...], names: Mapping[UUID, asyncpg.Record]
) -> list[ReservationExplained]:
    """Return them as they are shown: one per limit."""
    found: dict[UUID, ReservationExplained] = {}
    for one in kept:
        before = found.get(one.limit)
        name = names.get(one.limit)
        found[one.limit] = ReservationExplained(
            limit_id=one.limit,
            scope=None if name is None else name["scope"],
            subject=None if name is None else name["subject"],
            metric=None if name is None else name["metric"],
            window=None if name is None else name["period"],
            calendar=None if name is None else name["calendar"],
            mode=None if name is None else name["mode"],
            model=None if name is None else name["model"],
            limit=one.amount,
            reserved=one.reserved + (0 if before is None else before.reserved),
            settled=None if one.used is None else one.used + (0 if before is None else before.settled or 0),
        )
    return list(found.values())
