"""What a request reserved of its limits, as `/v1/requests/{id}` shows it; the row keeps ids, the names are today's."""

from collections.abc import Mapping
from typing import Final, TypedDict
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


class LimitNamed(Struct, frozen=True, kw_only=True):
    """A limit as it is called today; of one that was deleted since, only the id is known."""

    limit_id: UUID
    scope: str | None
    subject: str | None
    metric: str | None
    window: str | None
    calendar: bool | None
    mode: str | None
    model: str | None


class ReservationExplained(LimitNamed, frozen=True, kw_only=True):
    """One limit that a request counted against; `cost` is in millionths of the currency.

    `limit` is the limit's amount then, `settled` what was used in the end (None: not known, the reservation stands).
    """

    limit: int
    reserved: int
    settled: int | None


class RefusalExplained(LimitNamed, frozen=True, kw_only=True):
    """The limit that refused a request, or ended its answer; `cost` is in millionths of the currency.

    `limit` is the limit's amount then, `needed` what was asked of it, `used` what others had used; None: the request
    alone was too large.
    """

    limit: int
    needed: int
    used: int | None


_NOTHING: Final = reserved.Reserved()


def parsed(row: asyncpg.Record) -> reserved.Reserved:
    """Return what a row keeps."""
    return _NOTHING if row["reservations"] is None else reserved.decode(row["reservations"])


def limits_of(kept: reserved.Reserved) -> list[UUID]:
    """Return the limits that a row names."""
    refused = [] if kept.refused is None else [kept.refused.limit]
    return [one.limit for one in kept.limits] + refused


def explained(kept: reserved.Reserved, names: Mapping[UUID, asyncpg.Record]) -> list[ReservationExplained]:
    """Return what was reserved as it is shown: one per limit."""
    found: dict[UUID, ReservationExplained] = {}
    for one in kept.limits:
        before = found.get(one.limit)
        found[one.limit] = ReservationExplained(
            **_named(one.limit, names),
            limit=one.amount,
            reserved=one.reserved + (0 if before is None else before.reserved),
            settled=None if one.used is None else one.used + (0 if before is None else before.settled or 0),
        )
    return list(found.values())


def refusal(kept: reserved.Reserved, names: Mapping[UUID, asyncpg.Record]) -> RefusalExplained | None:
    """Return the limit that refused, None where none did."""
    one = kept.refused
    if one is None:
        return None
    return RefusalExplained(**_named(one.limit, names), limit=one.amount, needed=one.needed, used=one.used)


class _Named(TypedDict):
    limit_id: UUID
    scope: str | None
    subject: str | None
    metric: str | None
    window: str | None
    calendar: bool | None
    mode: str | None
    model: str | None


def _named(limit: UUID, names: Mapping[UUID, asyncpg.Record]) -> _Named:
    row = names.get(limit)
    return _Named(
        limit_id=limit,
        scope=None if row is None else row["scope"],
        subject=None if row is None else row["subject"],
        metric=None if row is None else row["metric"],
        window=None if row is None else row["period"],
        calendar=None if row is None else row["calendar"],
        mode=None if row is None else row["mode"],
        model=None if row is None else row["model"],
    )
