"""Which models, or which MCP servers, a scope chain may use, decided from grants; knows no token and no database.

Models and MCP servers have grants of their own, under the same rules. Without any grant all may be used. A scope (org,
team, user or service account, token) that has at least one `allow` permits only what matches one of its allows; no
scope permits what matches one of its denies. Every scope of the chain must permit, so a narrower scope can only narrow,
and a deny wins. A user's token stands under the org, the user's teams in it (one that permits is enough), the user and
the token; a service account's under the org, the team, the account and the token; a team's under the org, the team and
the token. A pattern is a name, or ends in `*` and matches every name that begins with what is before it.
"""

from collections.abc import Iterable

from msgspec import Struct

MAX_PATTERN_CHARS = 256


class Rules(Struct, frozen=True):
    """Names and prefixes (patterns without their `*`), in the form in which they are matched."""

    names: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()

    def match(self, name: str) -> bool:
        """Whether a name is meant."""
        return name in self.names or (bool(self.prefixes) and name.startswith(self.prefixes))


class ScopePolicy(Struct, frozen=True):
    """The grants of one scope; `allow` None means that the scope has no allow-list."""

    allow: Rules | None = None
    deny: Rules = Rules()

    def permits(self, name: str) -> bool:
        """Whether this scope lets a model or server through."""
        return (self.allow is None or self.allow.match(name)) and not self.deny.match(name)


class Policy(Struct, frozen=True):
    """The scopes that a principal stands under, those without grants left out.

    Every level must permit. A level holds one scope, or, for a user in several teams, one of each team: there it is
    enough that one permits.
    """

    levels: tuple[tuple[ScopePolicy, ...], ...] = ()

    def permits(self, name: str) -> bool:
        """Whether a model or server may be used, by its public name."""
        return all(any(scope.permits(name) for scope in level) for level in self.levels)


def rules(patterns: Iterable[str]) -> Rules:
    """Return patterns, each of which `is_pattern`, in the form in which they are matched."""
    texts = set(patterns)
    return Rules(
        names=frozenset(text for text in texts if not text.endswith("*")),
        prefixes=tuple(sorted(text[:-1] for text in texts if text.endswith("*"))),
    )


def is_pattern(pattern: str) -> bool:
    """Whether a text can be matched against names."""
    return 0 < len(pattern) <= MAX_PATTERN_CHARS and "*" not in pattern[:-1]
