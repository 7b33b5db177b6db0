"""From rows of limits to what each caller stands under; knows no counter."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import Final, NamedTuple, cast, get_args
from uuid import UUID

import msgspec

from aqueduct.catalog.rows import LimitRow, Rows
from aqueduct.limits.rules import METRICS, NO_LIMITS, Applied, Limit, LimitSet, Metric, Mode, Scope
from aqueduct.limits.windows import Window, slots_of

_VERSIONS: Final = count(1)
_WINDOWS: Final = (None, *get_args(Window))


class Subject(NamedTuple):
    """What a limit is of: its scope, its row and its name for people."""

    scope: Scope
    id: UUID
    name: str


class Limits:
    """The limits by subject. Callers under the same ones share one `LimitSet`."""

    def __init__(self, rows: Rows, zone_name: str) -> None:
        models = {row.id: row.name for row in rows.models}
        names = _names(rows) if rows.limits else {}
        self._version = next(_VERSIONS)
        self._by_subject: dict[UUID, list[Limit]] = {}
        self._sets: dict[tuple[tuple[UUID, ...], UUID | None], LimitSet] = {}
        for row in rows.limits:
            subject = _subject(row, names)
            self._by_subject.setdefault(subject.id, []).append(_limit(row, subject, models, zone_name))
        for limits in self._by_subject.values():
            limits.sort(key=_place)

    def of(self, chain: Sequence[UUID], member: UUID) -> LimitSet:
        """Return the limits of a caller below the subjects of `chain`; `member` is whom limits per member count."""
        subjects = tuple(subject for subject in chain if subject in self._by_subject)
        if not subjects:
            return NO_LIMITS
        each = any(limit.per_member for subject in subjects for limit in self._by_subject[subject])
        key = (subjects, member if each else None)
        found = self._sets.get(key)
        if found is None:
            found = self._sets[key] = LimitSet(self._applied(subjects, member), self._version)
        return found

    def every(self) -> Iterable[Applied]:
        """Return all limits with their subjects, whom those per member do not count."""
        for subject, limits in self._by_subject.items():
            for limit in limits:
                yield Applied(limit, subject)

    def _applied(self, subjects: Iterable[UUID], member: UUID) -> Iterable[Applied]:
        for subject in subjects:
            for limit in self._by_subject[subject]:
                yield Applied(limit, member if limit.per_member else subject)


def _names(rows: Rows) -> dict[UUID, str]:
    orgs = {row.id: row.slug for row in rows.orgs}
    teams = {row.id: f"{orgs[row.org_id]}/{row.name}" for row in rows.teams}
    names = orgs | teams
    limited_users = {row.user_id for row in rows.limits if row.user_id is not None}
    names |= {row.id: row.email for row in rows.users if row.id in limited_users} if limited_users else {}
    names |= {row.id: f"{teams[row.team_id]}/{row.name}" for row in rows.service_accounts}
    limited = {row.token_id for row in rows.limits if row.token_id is not None}
    return names | {row.id: row.name for row in rows.tokens if row.id in limited} if limited else names


def _subject(row: LimitRow, names: Mapping[UUID, str]) -> Subject:
    found: dict[Scope, UUID | None] = {
        "org": row.org_id,
        "team": row.team_id,
        "user": row.user_id,
        "service_account": row.service_account_id,
        "token": row.token_id,
    }
    for scope, subject in found.items():
        if subject is not None:
            return Subject(scope, subject, names.get(subject, ""))
    raise LookupError(f"the limit {row.id} has no subject")


def _place(limit: Limit) -> tuple[int, int, str]:
    """Return where a limit stands among those of its subject."""
    return METRICS.index(limit.metric), _WINDOWS.index(limit.window), limit.model or ""


def _limit(row: LimitRow, subject: Subject, models: Mapping[UUID, str], zone_name: str) -> Limit:
    window = None if row.period is None else cast("Window", row.period)
    return Limit(
        id=row.id,
        scope=subject.scope,
        name=subject.name,
        metric=msgspec.convert(row.metric, Metric),
        amount=row.amount,
        window=window,
        slots=slots_of(window, calendar=row.calendar, zone_name=zone_name),
        mode=msgspec.convert(row.mode, Mode),
        model=models.get(row.model_id) if row.model_id is not None else row.model_pattern,
        per_member=row.per_member,
    )
