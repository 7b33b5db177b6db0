"""Who calls: one token with its owner's place in the organisation; knows no models and no HTTP."""

from typing import Literal
from uuid import UUID

from msgspec import Struct

from aqueduct.auth.policy import Policy
from aqueduct.limits.rules import NO_LIMITS, LimitSet

OwnerKind = Literal["user", "team", "service_account"]


class Principal(Struct, frozen=True, kw_only=True, gc=False):
    """The owner of a token that is neither revoked nor disabled.

    `team_id` of a user's token is the team that its usage is booked on: the user's only team, or the org's default
    team where the user is a member of it or of none, else none. `owes_terms` is the version of the org's terms that is
    yet to be accepted. `expires_at` is in Unix seconds: the token's own expiry, or the end of its grace after a
    rotation where that comes first. `teams` are the names of all teams whose grants it stands under, `team_name` that
    of `team_id`, `owner_name` the user's e-mail address or the service account's name. `policy` is about models,
    `mcp_policy` about MCP servers.
    """

    token_id: UUID
    token_name: str
    owner_kind: OwnerKind
    org_id: UUID
    org_slug: str
    team_id: UUID | None = None
    user_id: UUID | None = None
    service_account_id: UUID | None = None
    expires_at: float | None = None
    teams: tuple[str, ...] = ()
    team_name: str | None = None
    owner_name: str | None = None
    policy: Policy = Policy()
    mcp_policy: Policy = Policy()
    limits: LimitSet = NO_LIMITS
    owes_terms: str | None = None
