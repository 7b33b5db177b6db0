"""From the rows of orgs to tokens and their grants to principals; knows no models but their names.

A principal is made when its token first comes: of a hundred thousand tokens few are used between two changes.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec import Struct

from aqueduct.auth.credentials import Refusal
from aqueduct.auth.principal import Principal
from aqueduct.catalog.build_limits import Limits
from aqueduct.catalog.build_policies import Policies, mcp_server_rules, model_rules
from aqueduct.catalog.rows import Known, MembershipRow, OrgRow, Rows, ServiceAccountRow, TeamRow, TokenRow, UserRow
from aqueduct.catalog.snapshot import Problem
from aqueduct.limits.rules import Applied, LimitSet

_NO_TOKEN: Final = UUID(int=0)


class _Owner(Struct, frozen=True, kw_only=True):
    """The place of a token's owner in the organisation. A user's teams are the enabled ones, else all."""

    org: OrgRow
    teams: tuple[TeamRow, ...] = ()
    user: UserRow | None = None
    service_account: ServiceAccountRow | None = None

    @property
    def enabled(self) -> bool:
        if not self.org.enabled:
            return False
        if self.user is not None:
            return self.user.enabled
        return all(team.enabled for team in self.teams) and (
            self.service_account is None or self.service_account.enabled
        )

    @property
    def owes_terms(self) -> str | None:
        """The version of the org's terms where the owner is a user who has not accepted it."""
        terms = self.org.terms_version
        return None if self.user is None or self.user.accepted_terms == terms else terms

    @property
    def team_id(self) -> UUID | None:
        """The team that usage is booked on."""
        enabled = [team.id for team in self.teams if team.enabled]
        if len(enabled) == 1:
            return enabled[0]
        return self.org.default_team_id if self.org.default_team_id in enabled else None


class TokenOwners:
    """Who the tokens belong to, by the rows of one load; `problems` are the rows that were refused."""

    def __init__(self, rows: Rows, aliases: Mapping[str, str], now: float, zone_name: str = "UTC") -> None:
        """`aliases` maps an alias to its model's name; `now` is in Unix seconds.

        `zone_name` is the time zone of calendar windows. The memberships of `rows` are consumed.
        """
        self.problems: list[Problem] = []
        self._limits = Limits(rows, zone_name)
        self._now = now
        self._orgs = {row.id: row for row in rows.orgs}
        self._teams = {row.id: row for row in rows.teams}
        self._users = {row.id: row for row in rows.users}
        self._service_accounts = {row.id: row for row in rows.service_accounts}
        self._tokens = {row.sha256: row for row in rows.tokens}
        self._teams_of_user = self._memberships(rows.memberships)
        self._model_policies = Policies(model_rules(rows, aliases, self.problems))
        self._mcp_policies = Policies(mcp_server_rules(rows, self.problems))

    @property
    def known(self) -> Known:
        """The rows, for the next load."""
        return Known(
            orgs=self._orgs,
            teams=self._teams,
            users=self._users,
            service_accounts=self._service_accounts,
            tokens=self._tokens,
        )

    def of(self, sha256: str) -> Principal | Refusal:
        """Return the owner of a token by the SHA-256 of its text, or why it has none."""
        token = self._tokens.get(sha256)
        return Refusal.UNKNOWN if token is None else self._token(token)

    def limits(
        self, *, user_id: UUID | None = None, team_id: UUID | None = None, service_account_id: UUID | None = None
    ) -> tuple[Applied, ...]:
        """Return the limits of an owner of tokens; of a team without those per member, which each of its tokens has."""
        token = TokenRow(_NO_TOKEN, user_id, team_id, service_account_id, "", "", None, None, None, None)
        owner = self._owner(token)
        return tuple(one for one in self._limits_of(owner, owner.team_id, token.id).applied if one.member != _NO_TOKEN)

    def _token(self, token: TokenRow) -> Principal | Refusal:
        if token.revoked_at is not None or (token.replaced_by_id is not None and token.grace_until is None):
            return Refusal.REVOKED
        expires_at = _earliest(token.expires_at, token.grace_until)
        if expires_at is not None and expires_at <= self._now:
            return Refusal.EXPIRED
        owner = self._owner(token)
        if not owner.enabled:
            return Refusal.DISABLED
        chain = _chain(owner, token.id)
        team_id = owner.team_id
        own = owner.user or owner.service_account
        return Principal(
            token_id=token.id,
            token_name=token.name,
            owner_kind="user" if owner.user else "service_account" if owner.service_account else "team",
            org_id=owner.org.id,
            org_slug=owner.org.slug,
            team_id=team_id,
            user_id=token.user_id,
            service_account_id=token.service_account_id,
            expires_at=expires_at,
            teams=tuple([team.name for team in owner.teams]),
            team_name=next((team.name for team in owner.teams if team.id == team_id), None),
            owner_name=None if own is None else own.email if isinstance(own, UserRow) else own.name,
            policy=self._model_policies.of(chain),
            mcp_policy=self._mcp_policies.of(chain),
            limits=self._limits_of(owner, team_id, token.id),
            owes_terms=owner.owes_terms,
        )

    def _limits_of(self, owner: _Owner, team_id: UUID | None, token_id: UUID) -> LimitSet:
        """Return the limits: of a user in several teams without one that usage is booked on, those of all of them."""
        teams = [team.id for team in owner.teams] if team_id is None else [team_id]
        own = owner.user or owner.service_account
        if own is None:
            return self._limits.of((owner.org.id, *teams, token_id), token_id)
        return self._limits.of((owner.org.id, *teams, own.id, token_id), own.id)

    def _owner(self, token: TokenRow) -> _Owner:
        """Return the owner; that the rows exist and are exactly one the database guarantees."""
        if token.user_id is not None:
            user = self._users[token.user_id]
            org = self._orgs[user.org_id]
            return _Owner(org=org, teams=self._teams_of(user) or self._default_team(org), user=user)
        if token.service_account_id is not None:
            account = self._service_accounts[token.service_account_id]
            team = self._teams[account.team_id]
            return _Owner(org=self._orgs[team.org_id], teams=(team,), service_account=account)
        if token.team_id is None:
            raise LookupError(f"the token {token.id} has no owner")
        team = self._teams[token.team_id]
        return _Owner(org=self._orgs[team.org_id], teams=(team,))

    def _default_team(self, org: OrgRow) -> tuple[TeamRow, ...]:
        """Return the team of users who are in none."""
        team = None if org.default_team_id is None else self._teams.get(org.default_team_id)
        return () if team is None or team.org_id != org.id else (team,)

    def _teams_of(self, user: UserRow) -> tuple[TeamRow, ...]:
        """Return a user's enabled teams, or all where none is: disabling a team must not lift its rules."""
        teams = self._teams_of_user.get(user.id, ())
        return tuple([team for team in teams if team.enabled] or teams)

    def _memberships(self, rows: list[MembershipRow]) -> dict[UUID, tuple[TeamRow, ...]]:
        """Return each user's teams. Rows are let go one by one: a large list of them freed at once is a pause."""
        found: dict[UUID, tuple[TeamRow, ...]] = {}
        alone = {team.id: (team,) for team in self._teams.values()}
        rows.reverse()
        while rows:
            row = rows.pop()
            user, team = self._users[row.user_id], self._teams[row.team_id]
            if team.org_id != user.org_id:
                self.problems.append(Problem("memberships", team.name, "the team belongs to another org than the user"))
            elif user.id in found:
                found[user.id] += (team,)
            else:
                found[user.id] = alone[team.id]
        return found


def _chain(owner: _Owner, token_id: UUID) -> tuple[tuple[UUID, ...], ...]:
    """Return the levels of scopes that a token stands under, the widest first."""
    own = owner.user or owner.service_account
    teams = tuple(team.id for team in owner.teams)
    return ((owner.org.id,), teams, () if own is None else (own.id,), (token_id,))


def _earliest(*times: datetime | None) -> float | None:
    return min((time.timestamp() for time in times if time is not None), default=None)
