"""From the rows of grants to the policies of scopes, for one kind of thing at a time; knows no token.

Grants fail closed: a scope with an unreadable `allow` keeps its allow-list without that entry, and a scope with an
unreadable `deny` permits nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from msgspec import Struct

from aqueduct.auth.policy import Policy, Rules, ScopePolicy, is_pattern, rules
from aqueduct.catalog.rows import GrantRow, Rows
from aqueduct.catalog.snapshot import Problem

EVERYTHING = "*"
NO_POLICY = Policy()


class Rule(Struct, frozen=True):
    """A grant about one kind of thing; `pattern` None: it cannot be read."""

    subject: UUID
    effect: str
    pattern: str | None


class Policies:
    """The policies of one kind of thing. Callers under the same scopes share one `Policy`."""

    def __init__(self, found: Iterable[Rule]) -> None:
        self._scopes = _scope_policies(found)
        self._policies: dict[tuple[tuple[UUID, ...], ...], Policy] = {(): NO_POLICY}

    def of(self, chain: Sequence[tuple[UUID, ...]]) -> Policy:
        """Return what the levels of scopes permit together; a level has several scopes for a user in several teams."""
        scopes = self._scopes
        if not scopes:
            return NO_POLICY
        # A level without grants narrows nothing; nor do several teams of which one has none.
        levels = tuple(level for level in chain if level and all(scope in scopes for scope in level))
        policy = self._policies.get(levels)
        if policy is None:
            policy = Policy(tuple(tuple(scopes[scope] for scope in level) for level in levels))
            self._policies[levels] = policy
        return policy


def model_rules(rows: Rows, aliases: Mapping[str, str], problems: list[Problem]) -> list[Rule]:
    """Return the grants about models. A grant by an alias is about its model."""
    names = {row.id: row.name for row in rows.models}
    found: list[Rule] = []
    for row in rows.grants:
        if row.mcp_server_id is None and row.mcp_server_pattern is None:
            pattern = _pattern(row, row.model_id, names, row.model_pattern, problems)
            found.append(Rule(_subject(row), row.effect, None if pattern is None else aliases.get(pattern, pattern)))
    return found


def mcp_server_rules(rows: Rows, problems: list[Problem]) -> list[Rule]:
    """Return the grants about MCP servers."""
    names = {row.id: row.name for row in rows.mcp_servers}
    found: list[Rule] = []
    for row in rows.grants:
        if row.mcp_server_id is not None or row.mcp_server_pattern is not None:
            pattern = _pattern(row, row.mcp_server_id, names, row.mcp_server_pattern, problems)
            found.append(Rule(_subject(row), row.effect, pattern))
    return found


def _pattern(
    row: GrantRow, target: UUID | None, names: Mapping[UUID, str], pattern: str | None, problems: list[Problem]
) -> str | None:
    found = pattern if target is None else names.get(target)
    if found is not None and is_pattern(found):
        return found
    problems.append(Problem("grants", str(row.id), "a pattern is a name, or a beginning and '*'"))
    return None


def _scope_policies(found: Iterable[Rule]) -> dict[UUID, ScopePolicy]:
    allow: dict[UUID, list[str]] = {}
    deny: dict[UUID, list[str]] = {}
    for rule in found:
        if rule.effect == "allow":
            allow.setdefault(rule.subject, []).extend([] if rule.pattern is None else [rule.pattern])
        else:
            deny.setdefault(rule.subject, []).append(EVERYTHING if rule.pattern is None else rule.pattern)
    return {
        subject: ScopePolicy(
            allow=rules(allow[subject]) if subject in allow else None,
            deny=rules(deny[subject]) if subject in deny else Rules(),
        )
        for subject in allow.keys() | deny.keys()
    }


def _subject(row: GrantRow) -> UUID:
    for subject in (row.org_id, row.team_id, row.user_id, row.service_account_id, row.token_id):
        if subject is not None:
            return subject
    raise LookupError(f"the grant {row.id} has no subject")
